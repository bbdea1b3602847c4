"""A unit is called like a panic: systemd prints its name, and nothing is wrong."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot

NAME = "unit-named-panic"

FAULT = Fault(
    name=NAME,
    summary="a unit is called Kernel panic",
    target=Target.USERSPACE,
    classes=(),
    sabotage=unit_at_boot("true")
    + """
sed -i 's/^Description=.*/Description=Kernel panic - not syncing: VFS: Unable to mount root fs/' \\
    /etc/systemd/system/fault.service
systemctl daemon-reload
""",
)
