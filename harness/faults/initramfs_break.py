"""The initramfs was told to stop for a shell before it mounts the root."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import FailureClass, Stage

NAME = "initramfs-break"

FAULT = Fault(
    name=NAME,
    summary="break=mount on the next command line",
    target=Target.KERNEL,
    classes=(FailureClass.INITRAMFS_SHELL,),
    stage=Stage.INITRD,
    words="break=mount",
)
