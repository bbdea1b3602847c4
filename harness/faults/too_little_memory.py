"""The new kernel is told that the machine has next to no memory."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import Blame, FailureClass, Stage

NAME = "too-little-memory"

FAULT = Fault(
    name=NAME,
    summary="mem= leaves the new kernel next to no memory",
    target=Target.KERNEL,
    classes=(FailureClass.EARLY_PANIC,),
    stage=Stage.KERNEL,
    blame=Blame.INCOMING_KERNEL,
    words="mem=40M",
)
