"""soft-reboot: systemd ends every process but itself and starts userspace anew; the kernel goes on.

Nothing of kexec is in it, and nothing of firmware: this arm shows what a reboot costs and breaks that leaves the kernel
and its devices alone. systemd has it since 254. `/run` stays as it is.
"""

from __future__ import annotations

from harness.model import BootPath
from harness.reboot.base import Method, remember

NAME = "soft-reboot"

#: Guest script that says why this systemd cannot do it, and nothing if it can.
LACKING = """
systemctl cat systemd-soft-reboot.service >/dev/null 2>&1 ||
    echo "$(systemctl --version | sed -n '1s/ (.*//p') has no soft-reboot"
"""


def _arm(nonce: str) -> str:
    return f"""
set -e
{remember(nonce)}
rm -f /run/kexec-load/conf.d/kexec-harness.conf
"""


METHOD = Method(
    name=NAME,
    summary="systemctl soft-reboot: userspace alone, under the same kernel",
    path=BootPath.SOFT,
    init="systemd",
    lacking=LACKING,
    arm=_arm,
    trigger="systemctl soft-reboot",
)
