"""An undefined instruction where no handler is in place yet: a triple fault resets the machine."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import with_kernel_written
from harness.model import FailureClass, Stage

NAME = "kernel-triple-faults"

FAULT = Fault(
    name=NAME,
    summary="the new kernel's first instruction is undefined",
    target=Target.HANDOFF,
    classes=(FailureClass.TRIPLE_FAULT,),
    stage=Stage.HANDOFF,
    sabotage=with_kernel_written("start + 0x200", r"\017\013"),
    quick=True,
)
