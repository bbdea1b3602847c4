"""A service never finishes starting, and systemd was told to wait for it."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot
from harness.model import Blame, FailureClass, Stage

NAME = "unit-never-starts"

FAULT = Fault(
    name=NAME,
    summary="a service without a time limit that does not start",
    target=Target.USERSPACE,
    classes=(FailureClass.NO_READY,),
    stage=Stage.USERSPACE,
    blame=Blame.USERSPACE,
    sabotage=unit_at_boot("sleep 100000", service="Type=oneshot\nTimeoutStartSec=infinity"),
)
