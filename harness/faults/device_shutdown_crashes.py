"""A driver's shutdown brings the old kernel down."""

from __future__ import annotations

from harness.faults.base import Fault, Hands, Target
from harness.faults.code import OOPS
from harness.model import Blame, FailureClass, Stage

NAME = "device-shutdown-crashes"


def _crash(hands: Hands) -> None:
    hands.patch("device_shutdown", OOPS)


FAULT = Fault(
    name=NAME,
    summary="device_shutdown() executes an undefined instruction",
    target=Target.SHUTDOWN,
    classes=(FailureClass.OUTGOING_KERNEL_CRASH,),
    stage=Stage.DEVICE_SHUTDOWN,
    blame=Blame.OUTGOING_KERNEL,
    method="cold",
    act=_crash,
)
