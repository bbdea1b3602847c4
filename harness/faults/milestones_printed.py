"""A daemon prints what marks milestones of a reboot."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot

NAME = "milestones-printed"

FAULT = Fault(
    name=NAME,
    summary="a daemon prints milestones",
    target=Target.USERSPACE,
    classes=(),
    sabotage=unit_at_boot("""
cat >/dev/ttyS0 <<'LOG'
SeaBIOS (version 1.16.2-debian-1.16.2-1)
Booting `Debian GNU/Linux'
[    0.000000] Linux version 9.9.9 (nobody@nowhere)
[    0.500000] Run /init as init process
[    0.600000] systemd[1]: systemd 999 running in system mode (+PAM)
LOG
echo 'kexec_core: Starting new kernel, says mydaemon' >/dev/ttyS0
echo 'mydaemon[4711]: reboot: Restarting system' >/dev/kmsg
"""),
)
