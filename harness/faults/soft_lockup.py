"""A system call of the new kernel does not come back: the watchdog of soft lockups reports it."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.code import call_when_patched, patch_when_asked, spin
from harness.model import FailureClass

NAME = "soft-lockup"

FAULT = Fault(
    name=NAME,
    summary="a system call spins, and the soft lockup detector is on",
    target=Target.KERNEL,
    classes=(FailureClass.SOFT_LOCKUP,),
    sabotage=call_when_patched("echo 1 >/proc/sys/kernel/watchdog_thresh"),
    reactions=(patch_when_asked(spin),),
)
