"""The same, with a console for the decompressor: it says that it stops."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import with_kernel_written
from harness.model import FailureClass, Stage

NAME = "payload-damaged-aloud"

FAULT = Fault(
    name=NAME,
    summary="bytes in the payload are overwritten; the decompressor has a console",
    target=Target.HANDOFF,
    classes=(FailureClass.HANG_BEFORE_KERNEL,),
    stage=Stage.HANDOFF,
    sabotage=with_kernel_written("start + 3000000", r"damaged damaged damaged damaged"),
    words="earlyprintk=ttyS0,115200",
)
