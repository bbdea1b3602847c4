"""A newer kernel was installed, but the boot loader's link still points at the old one."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import Blame, FailureClass

NAME = "wrong-kernel"

FAULT = Fault(
    name=NAME,
    summary="the kernel that was installed is not the one that is started",
    target=Target.KERNEL,
    classes=(FailureClass.WRONG_KERNEL,),
    blame=Blame.LOADER,
    sabotage="cp /vmlinuz /boot/vmlinuz-99.1-installed && cp /initrd.img /boot/initrd.img-99.1-installed",
    kernel="99.1-installed",
)
