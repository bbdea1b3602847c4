"""The old kernel never comes back from shutting its devices down."""

from __future__ import annotations

from harness.faults.base import Fault, Hands, Target
from harness.faults.code import SPIN
from harness.model import Blame, FailureClass, Stage

NAME = "device-shutdown-hangs"


def _spin(hands: Hands) -> None:
    hands.patch("device_shutdown", SPIN)


FAULT = Fault(
    name=NAME,
    summary="device_shutdown() spins",
    target=Target.SHUTDOWN,
    classes=(FailureClass.DEVICE_SHUTDOWN_HANG,),
    stage=Stage.DEVICE_SHUTDOWN,
    blame=Blame.OUTGOING_KERNEL,
    act=_spin,
)
