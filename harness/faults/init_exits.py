"""The initramfs hands over to a program that ends: the kernel does not survive its init."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import FailureClass, Stage

NAME = "init-exits"

FAULT = Fault(
    name=NAME,
    summary="init= names a program that ends at once",
    target=Target.KERNEL,
    classes=(FailureClass.KERNEL_PANIC,),
    stage=Stage.INITRD,
    words="init=/bin/true",
)
