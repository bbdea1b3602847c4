"""The next kernel's command line names a root partition whose file system is another one."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import FailureClass, Stage

NAME = "root-not-mountable"

FAULT = Fault(
    name=NAME,
    summary="root= names a partition with another file system",
    target=Target.KERNEL,
    classes=(FailureClass.ROOT_MOUNT_FAILED,),
    stage=Stage.INITRD,
    words="root=/dev/vda1 rootfstype=ext4 rootwait",
)
