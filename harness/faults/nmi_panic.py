"""A non-maskable interrupt of unknown origin, as a dying board sends it, while the new kernel starts."""

from __future__ import annotations

import re

from harness.faults.base import Fault, Hands, Reaction, Target
from harness.model import FailureClass

NAME = "nmi-panic"


def _nmi(hands: Hands, _: re.Match[str]) -> None:
    hands.qmp("inject-nmi")


FAULT = Fault(
    name=NAME,
    summary="an NMI of unknown origin, upon which the kernel is to panic",
    target=Target.KERNEL,
    classes=(FailureClass.KERNEL_PANIC, FailureClass.EARLY_PANIC),
    words="unknown_nmi_panic",
    reactions=(Reaction(re.compile(r"Run /init as init process"), _nmi),),
)
