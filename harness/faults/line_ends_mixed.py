"""Lines that end in every way there is, and some that do not."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot

NAME = "line-ends-mixed"

FAULT = Fault(
    name=NAME,
    summary="carriage returns and newlines in any order",
    target=Target.USERSPACE,
    classes=(),
    sabotage=unit_at_boot(r"""
printf 'Kernel panic\r - not syncing\r\r\n\n\r\r\nprogress 10%%\rprogress 20%%\r' >/dev/ttyS0
printf 'You are in emergency mode\r. After logging in\n\r' >/dev/ttyS0
printf 'ends in nothing' >/dev/ttyS0
"""),
)
