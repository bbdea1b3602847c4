"""The console's last words before the system is up are half of a line that would be a panic."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot

NAME = "last-line-unfinished"

FAULT = Fault(
    name=NAME,
    summary="half a line of a panic at the end",
    target=Target.USERSPACE,
    classes=(),
    sabotage=unit_at_boot("printf '[   12.345678] Kernel pan' >/dev/ttyS0"),
)
