"""Somebody types the words of a panic at a prompt."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot

NAME = "panic-typed"

FAULT = Fault(
    name=NAME,
    summary="a user types Kernel panic",
    target=Target.USERSPACE,
    classes=(),
    sabotage=unit_at_boot("""
printf 'root@guest:~# Kernel panic - not syncing: typed\\r\\n' >/dev/ttyS0
printf -- '-bash: Kernel: command not found\\r\\n' >/dev/ttyS0
printf 'root@guest:~# echo "BUG: kernel NULL pointer dereference"\\r\\n' >/dev/ttyS0
printf 'BUG: kernel NULL pointer dereference\\r\\nroot@guest:~# ' >/dev/ttyS0
"""),
)
