"""Programs write text that looks like a panic: no panic."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot

NAME = "panic-only-in-words"

FAULT = Fault(
    name=NAME,
    summary="a service prints the words of a panic",
    target=Target.USERSPACE,
    classes=(),
    sabotage=unit_at_boot(
        """
echo 'Kernel panic - not syncing: says a program' >/dev/console
echo 'Kernel panic - not syncing: says a program in the log' >/dev/kmsg
echo 'You are in emergency mode, said the manual' >/dev/console
"""
    ),
)
