"""The new kernel does not load the driver of its network card."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import FailureClass

NAME = "driver-missing"

FAULT = Fault(
    name=NAME,
    summary="the network driver is kept from loading",
    target=Target.DEVICE,
    classes=(FailureClass.DEVICE_MISSING, FailureClass.DEVICE_FAILED),
    words="modprobe.blacklist=virtio_net",
)
