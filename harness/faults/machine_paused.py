"""Somebody pauses the machine by QMP: its silence is not the guest's."""

from __future__ import annotations

import re

from harness.faults.base import Fault, Hands, Reaction, Target
from harness.model import Blame, FailureClass, Outcome

NAME = "machine-paused"


def _pause(hands: Hands, _: re.Match[str]) -> None:
    hands.qmp("stop")


FAULT = Fault(
    name=NAME,
    summary="QMP stop while the new kernel starts",
    target=Target.HOST,
    classes=(FailureClass.INFRASTRUCTURE,),
    outcome=Outcome.INVALID,
    blame=Blame.HOST,
    reactions=(Reaction(re.compile(r"Linux version \d"), _pause),),
    spoils_machine=True,
)
