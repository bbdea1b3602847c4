"""The initramfs has no init and the kernel no driver for its root: it panics for want of a root file system."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import Blame, FailureClass, Stage

NAME = "rdinit-missing"

FAULT = Fault(
    name=NAME,
    summary="rdinit= names a program that does not exist",
    target=Target.KERNEL,
    classes=(FailureClass.ROOT_MOUNT_FAILED,),
    stage=Stage.KERNEL,
    blame=Blame.INCOMING_KERNEL,
    words="rdinit=/missing",
)
