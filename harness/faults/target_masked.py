"""The target that the system starts into is masked."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import FailureClass

NAME = "target-masked"

FAULT = Fault(
    name=NAME,
    summary="multi-user.target is masked",
    target=Target.USERSPACE,
    classes=(FailureClass.EMERGENCY_MODE, FailureClass.NO_READY),
    sabotage="systemctl mask multi-user.target",
)
