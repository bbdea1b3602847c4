"""A service fails while the system starts."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot
from harness.model import Blame, FailureClass, Stage

NAME = "unit-fails"

FAULT = Fault(
    name=NAME,
    summary="a service that fails",
    target=Target.USERSPACE,
    classes=(FailureClass.DEGRADED,),
    stage=Stage.USERSPACE,
    blame=Blame.USERSPACE,
    sabotage=unit_at_boot("exit 3", unit=""),
)
