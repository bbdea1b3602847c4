"""The new kernel stops for ever among its drivers, without a word."""

from __future__ import annotations

import re

from harness.faults.base import Fault, Hands, Reaction, Target
from harness.faults.code import HALT
from harness.model import Blame, FailureClass, Stage

NAME = "kernel-freezes"


def _halt_where_it_is(hands: Hands, _: re.Match[str]) -> None:
    hands.overwrite_next_instruction(HALT)


FAULT = Fault(
    name=NAME,
    summary="what the CPU would run next among its drivers is overwritten with a halt",
    target=Target.KERNEL,
    classes=(FailureClass.NO_READY,),
    stage=Stage.KERNEL,
    blame=Blame.INCOMING_KERNEL,
    reactions=(Reaction(re.compile(r"PCI host bridge to bus"), _halt_where_it_is),),
)
