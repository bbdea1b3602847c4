"""cold: the same reboot as `kexec`, with kexec-load told to stand aside, through firmware and boot loader."""

from __future__ import annotations

from harness.model import BootPath
from harness.reboot.base import NEXT_COMMAND_LINE, REBOOT, Method, remember

NAME = "cold"


def _arm(nonce: str) -> str:
    return f"""
set -e
{remember(nonce)}
rm -f /run/kexec-load/conf.d/kexec-harness.conf {NEXT_COMMAND_LINE}
if command -v kexec-load >/dev/null; then
    kexec-load skip
elif [ -e /etc/init.d/kexec-load ]; then
    touch /no-kexec-reboot # as Debian's coldreboot does it
fi
"""


METHOD = Method(
    name=NAME,
    summary="a reboot through firmware and boot loader",
    path=BootPath.FIRMWARE,
    arm=_arm,
    trigger=REBOOT,
)
