"""The new kernel cannot route the timer's interrupt."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import FailureClass

NAME = "no-interrupt-controller"

FAULT = Fault(
    name=NAME,
    summary="noapic and nolapic_timer where the timer needs them",
    target=Target.KERNEL,
    classes=(FailureClass.EARLY_PANIC, FailureClass.HANG_BEFORE_KERNEL, FailureClass.NO_READY),
    words="noapic nolapic",
)
