"""The old kernel never comes back from shutting its devices down."""

from __future__ import annotations

from harness.faults.base import Fault, Hands, Target
from harness.faults.code import HALT
from harness.model import Blame, FailureClass, Stage

NAME = "device-shutdown-hangs"


def _halt(hands: Hands) -> None:
    hands.patch("device_shutdown", HALT)


FAULT = Fault(
    name=NAME,
    summary="device_shutdown() halts its CPU for ever",
    target=Target.SHUTDOWN,
    classes=(FailureClass.DEVICE_SHUTDOWN_HANG,),
    stage=Stage.DEVICE_SHUTDOWN,
    blame=Blame.OUTGOING_KERNEL,
    act=_halt,
)
