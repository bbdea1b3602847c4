"""The kernel's compressed payload is damaged: the decompressor gives up, where nobody hears it."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import with_kernel_written
from harness.model import FailureClass, Stage

NAME = "payload-damaged"

FAULT = Fault(
    name=NAME,
    summary="bytes in the kernel's compressed payload are overwritten",
    target=Target.HANDOFF,
    classes=(FailureClass.HANG_BEFORE_KERNEL,),
    stage=Stage.HANDOFF,
    sabotage=with_kernel_written("start + 3000000", r"damaged damaged damaged damaged"),
)
