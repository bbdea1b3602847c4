"""Somebody resets the machine just as the new kernel is started."""

from __future__ import annotations

import re

from harness.faults.base import Fault, Hands, Reaction, Target
from harness.model import Blame, FailureClass

NAME = "reset-at-handoff"


def _reset(hands: Hands, _: re.Match[str]) -> None:
    hands.qmp("system_reset")


FAULT = Fault(
    name=NAME,
    summary="QMP system_reset at the hand-off",
    target=Target.HANDOFF,
    classes=(FailureClass.UNEXPECTED_RESET,),
    blame=Blame.HOST,
    reactions=(Reaction(re.compile(r"Starting new kernel"), _reset),),
)
