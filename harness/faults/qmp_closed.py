"""QEMU's control socket is closed while the new kernel starts: nobody sees any more whether the machine is reset."""

from __future__ import annotations

import re

from harness.faults.base import Fault, Hands, Reaction, Target
from harness.model import Blame, FailureClass, Outcome

NAME = "qmp-closed"


def _close(hands: Hands, _: re.Match[str]) -> None:
    hands.cut_qmp()


FAULT = Fault(
    name=NAME,
    summary="QEMU's control socket is closed while the new kernel starts",
    target=Target.QEMU,
    classes=(FailureClass.INFRASTRUCTURE,),
    outcome=Outcome.INVALID,
    blame=Blame.HOST,
    reactions=(Reaction(re.compile(r"Linux version \d"), _close),),
    spoils_machine=True,
)
