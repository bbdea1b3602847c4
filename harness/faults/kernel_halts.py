"""The jump goes into a kernel that halts, deaf to interrupts."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import with_kernel_written
from harness.model import FailureClass, Stage

NAME = "kernel-halts"

FAULT = Fault(
    name=NAME,
    summary="the new kernel's first instructions halt the CPU",
    target=Target.HANDOFF,
    classes=(FailureClass.HANG_BEFORE_KERNEL,),
    stage=Stage.HANDOFF,
    sabotage=with_kernel_written("start + 0x200", r"\372\364\353\375"),
)
