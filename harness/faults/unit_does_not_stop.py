"""A service takes for ever to stop, and systemd was told to wait for it."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_shutdown
from harness.model import Blame, FailureClass, Stage

NAME = "unit-does-not-stop"

FAULT = Fault(
    name=NAME,
    summary="a service without a time limit that does not stop",
    target=Target.SHUTDOWN,
    classes=(FailureClass.SHUTDOWN_HANG,),
    stage=Stage.SHUTDOWN,
    blame=Blame.USERSPACE,
    sabotage=unit_at_shutdown("trap '' TERM; while :; do sleep 1000; done", service="TimeoutStopSec=infinity"),
)
