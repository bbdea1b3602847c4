"""The new kernel panics while its services start."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot
from harness.model import FailureClass, Stage

NAME = "panic-in-boot"

FAULT = Fault(
    name=NAME,
    summary="sysrq c while services start",
    target=Target.KERNEL,
    classes=(FailureClass.KERNEL_PANIC,),
    stage=Stage.USERSPACE,
    sabotage=unit_at_boot("echo c >/proc/sysrq-trigger"),
)
