"""A service takes its time, far beyond what this machine ever took to start."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot
from harness.model import FailureClass

NAME = "unit-slow"

FAULT = Fault(
    name=NAME,
    summary="a service takes two minutes to start",
    target=Target.USERSPACE,
    classes=(FailureClass.SLOW,),
    sabotage=unit_at_boot("sleep 120", service="Type=oneshot\nTimeoutStartSec=infinity"),
)
