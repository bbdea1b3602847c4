"""The old kernel panics while its services are stopped."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_shutdown
from harness.model import Blame, FailureClass, Stage

NAME = "panic-at-shutdown"

FAULT = Fault(
    name=NAME,
    summary="sysrq c while services stop",
    target=Target.SHUTDOWN,
    classes=(FailureClass.OUTGOING_KERNEL_CRASH,),
    stage=Stage.SHUTDOWN,
    blame=Blame.OUTGOING_KERNEL,
    sabotage=unit_at_shutdown("echo c >/proc/sysrq-trigger"),
    quick=True,
)
