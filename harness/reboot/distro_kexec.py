"""distro-kexec: `systemctl reboot` with what Debian's own kexec-tools does for it, and without kexec-load.

Until Debian 12 that is a SysV script that loads at shutdown (LOAD_KEXEC=true in /etc/default/kexec, the answer that
its installation suggests); since Debian 13 the operator calls kexec-load-kernel beforehand.
"""

from __future__ import annotations

from harness.model import BootPath
from harness.reboot.base import Method, command_line_with, remember

NAME = "distro-kexec"


def _arm(nonce: str) -> str:
    return f"""
set -e
{remember(nonce)}
! command -v kexec-load >/dev/null || dpkg --purge kexec-load
rm -f /no-kexec-reboot
{command_line_with(nonce)}
mkdir -p /etc/default/kexec.d
printf '%s\\n' "LOAD_KEXEC=true" "APPEND=\\"$command_line\\"" >/etc/default/kexec.d/kexec-harness
chmod 0755 /etc/default/kexec.d/kexec-harness
if [ -x /etc/init.d/kexec-load ]; then
    systemctl is-active --quiet kexec-load.service || systemctl start kexec-load.service
elif [ -x /usr/sbin/kexec-load-kernel ]; then
    kexec-load-kernel
else
    echo "this distribution's kexec-tools loads nothing by itself"
    exit 1
fi
"""


METHOD = Method(
    name=NAME,
    summary="systemctl reboot with Debian's own integration of kexec in place of kexec-load",
    path=BootPath.KEXEC,
    init="systemd",
    arm=_arm,
    trigger="systemctl reboot",
)
