"""The new kernel oopses in a service's system call, and goes on."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.code import call_when_patched, oops, patch_when_asked
from harness.model import FailureClass

NAME = "oops"

FAULT = Fault(
    name=NAME,
    summary="an undefined instruction in a system call",
    target=Target.KERNEL,
    classes=(FailureClass.KERNEL_OOPS,),
    sabotage=call_when_patched(),
    reactions=(patch_when_asked(oops),),
)
