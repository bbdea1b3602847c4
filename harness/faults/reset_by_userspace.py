"""A service of the new system resets the machine without a word."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot
from harness.model import FailureClass

NAME = "reset-by-userspace"

FAULT = Fault(
    name=NAME,
    summary="a service resets the machine while the system starts",
    target=Target.USERSPACE,
    classes=(FailureClass.UNEXPECTED_RESET,),
    sabotage=unit_at_boot("echo 1 >/proc/sys/kernel/sysrq; echo b >/proc/sysrq-trigger"),
)
