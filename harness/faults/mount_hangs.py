"""A mount that nothing depends on does not come back, and is given up."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import FailureClass

NAME = "mount-hangs"

FAULT = Fault(
    name=NAME,
    summary="mount(8) hangs until its time is over",
    target=Target.USERSPACE,
    classes=(FailureClass.DEGRADED,),
    sabotage=r"""
set -e
printf '#!/bin/sh\nsleep 1000\n' >/sbin/mount.hang
chmod +x /sbin/mount.hang
echo 'none /mnt hang nofail,x-systemd.mount-timeout=5 0 0' >>/etc/fstab
""",
)
