"""The new kernel warns (WARN) in a service's system call, and goes on."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.code import call_when_patched, patch_when_asked, warn
from harness.model import FailureClass

NAME = "warning"

FAULT = Fault(
    name=NAME,
    summary="a WARN in a system call",
    target=Target.KERNEL,
    classes=(FailureClass.KERNEL_WARNING,),
    sabotage=call_when_patched(),
    reactions=(patch_when_asked(warn),),
)
