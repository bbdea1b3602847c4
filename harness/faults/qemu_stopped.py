"""QEMU stands still, alive but answering nobody."""

from __future__ import annotations

import re
import signal

from harness.faults.base import Fault, Hands, Reaction, Target
from harness.model import Blame, FailureClass

NAME = "qemu-stopped"


def _stop(hands: Hands, _: re.Match[str]) -> None:
    hands.signal(signal.SIGSTOP)


FAULT = Fault(
    name=NAME,
    summary="SIGSTOP to QEMU while the new kernel starts",
    target=Target.QEMU,
    classes=(FailureClass.QEMU_HANG,),
    blame=Blame.HOST,
    reactions=(Reaction(re.compile(r"Linux version \d"), _stop),),
    spoils_machine=True,
)
