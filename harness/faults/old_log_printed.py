"""Programs print the log of an older boot that ended in a panic, as dmesg, syslog and journalctl have it."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot

NAME = "old-log-printed"

OLD_LOG = """[    0.000000] Linux version 6.1.0-1-amd64 (debian-kernel@lists.debian.org)
[    0.000000] Command line: BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro
[    1.100000] Run /init as init process
[    2.200000] BUG: kernel NULL pointer dereference, address: 0000000000000008
[    2.300000] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b
[    2.400000] ---[ end Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b ]---"""

FAULT = Fault(
    name=NAME,
    summary="an older boot's panic is printed",
    target=Target.USERSPACE,
    classes=(),
    sabotage=unit_at_boot(f"""
cat >/run/old.log <<'LOG'
{OLD_LOG}
LOG
cat /run/old.log >/dev/ttyS0
sed 's/^/Nov 24 03:04:05 guest kernel: /' /run/old.log >/dev/ttyS0
sed 's/^[[]/<4>[/' /run/old.log >/dev/ttyS0
sed 's/] /] guest kernel: /' /run/old.log >/dev/ttyS0
"""),
)
