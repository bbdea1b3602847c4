"""The clock jumps ten years ahead before the reboot: measuring goes on by the host's clock."""

from __future__ import annotations

from harness.faults.base import Fault, Target

NAME = "clock-jumps"

FAULT = Fault(
    name=NAME,
    summary="the guest's clock jumps by ten years",
    target=Target.USERSPACE,
    classes=(),
    sabotage="date --set='+10 years' && busybox hwclock -w",
)
