"""Colours and cursor movements in the middle of words that would be a panic without them."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot

NAME = "lines-broken-by-escapes"

FAULT = Fault(
    name=NAME,
    summary="escape sequences within words",
    target=Target.USERSPACE,
    classes=(),
    sabotage=unit_at_boot(r"""
printf 'Kernel \033[1;31mpanic\033[0m - not \033[Ksyncing: in colour\r\n' >/dev/ttyS0
printf '\033[2J\033[H\033]0;Kernel panic\007Kernel panic - not syncing: a title\r\n' >/dev/ttyS0
printf '[   99.0\033[31m00000] Kernel\033[0m panic - not syncing: broken in two\r\n' >/dev/ttyS0
printf '\033[\033[\033]\033 \233 31m\r\n' >/dev/ttyS0
"""),
)
