"""QEMU is killed while the new kernel starts."""

from __future__ import annotations

import re
import signal

from harness.faults.base import Fault, Hands, Reaction, Target
from harness.model import Blame, FailureClass

NAME = "qemu-killed"


def _kill(hands: Hands, _: re.Match[str]) -> None:
    hands.signal(signal.SIGKILL)


FAULT = Fault(
    name=NAME,
    summary="SIGKILL to QEMU while the new kernel starts",
    target=Target.QEMU,
    classes=(FailureClass.QEMU_ABORT,),
    blame=Blame.HOST,
    reactions=(Reaction(re.compile(r"Linux version \d"), _kill),),
    quick=True,
    spoils_machine=True,
)
