"""A system call of the new kernel does not come back, and RCU is the first to notice."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.code import call_when_patched, patch_when_asked, spin_deaf
from harness.model import FailureClass

NAME = "rcu-stall"

_SETUP = """
echo 0 >/proc/sys/kernel/watchdog
echo 3 >/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout
"""

FAULT = Fault(
    name=NAME,
    summary="a system call spins with interrupts off, and only RCU looks",
    target=Target.KERNEL,
    classes=(FailureClass.RCU_STALL,),
    sabotage=call_when_patched(_SETUP),
    reactions=(patch_when_asked(spin_deaf),),
)
