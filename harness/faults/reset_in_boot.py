"""Somebody resets the machine while the new kernel starts."""

from __future__ import annotations

import re

from harness.faults.base import Fault, Hands, Reaction, Target
from harness.model import Blame, FailureClass

NAME = "reset-in-boot"


def _reset(hands: Hands, _: re.Match[str]) -> None:
    hands.qmp("system_reset")


FAULT = Fault(
    name=NAME,
    summary="QMP system_reset while the new kernel starts",
    target=Target.HOST,
    classes=(FailureClass.UNEXPECTED_RESET,),
    blame=Blame.HOST,
    reactions=(Reaction(re.compile(r"Run /init as init process"), _reset),),
)
