"""A program floods the console while the system starts: slower, and otherwise as always."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot

NAME = "console-flooded"

FAULT = Fault(
    name=NAME,
    summary="a program writes 10 MB to the console",
    target=Target.USERSPACE,
    classes=(),
    sabotage=unit_at_boot(
        "head -c 10000000 /dev/urandom | base64 >/dev/ttyS0", service="Type=oneshot\nTimeoutStartSec=infinity"
    ),
)
