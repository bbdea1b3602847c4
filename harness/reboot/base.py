"""What a reboot method is: how the guest is told which way to go, how the reboot is asked for, what must be proven."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from msgspec import Struct

from harness.model import BootPath


class Method(Struct, frozen=True, kw_only=True):
    """One way to reboot."""

    name: str
    summary: str
    #: the path that a cycle of this method must be proven to have taken
    path: BootPath
    #: nonce -> guest script that arms this method for the next reboot only; not part of the measured time
    arm: Callable[[str], str]
    #: guest script that asks for the reboot; the measured time starts when it is sent
    trigger: str
    #: the trigger has the guest switch the machine off; the host switches it on again
    power_cycle: bool = False


def remember(nonce: str) -> str:
    """Guest script that keeps the nonce on disk, so that the next boot can say which reboot it came from."""
    return (
        f"mkdir -p /var/lib/kexec-harness && printf '%s\\n' {shlex.quote(nonce)} >/var/lib/kexec-harness/nonce && sync"
    )


#: the nonce's word on the next kernel's command line, where only whoever loaded that kernel can have put it
NONCE_WORD = "kexec_harness.nonce"

#: Settings of kexec-load that keep the harness's host out of the result: under emulation on a busy host a load can
#: take longer than the 30 s that kexec-load gives it, which is no word on the guest. This is the longest it accepts.
PATIENT = "LOAD_TIMEOUT=75"


def with_kexec_load() -> str:
    """Guest script that has kexec-load in service, from the package in the image if another method has purged it."""
    return """
command -v kexec-load >/dev/null || dpkg --install /usr/lib/kexec-harness/kexec-load.deb
systemctl is-active --quiet kexec-load.service || { echo "kexec-load.service is not active"; exit 1; }
"""


def command_line_with(nonce: str) -> str:
    """Guest script that sets `command_line`: the running kernel's, with this nonce in place of earlier ones."""
    return f"""
command_line=
for word in $(cat /proc/cmdline); do
    case $word in
        BOOT_IMAGE=* | initrd=* | kexec_load.once | {NONCE_WORD}=*) ;;
        *) command_line="$command_line$word " ;;
    esac
done
command_line="${{command_line}}{NONCE_WORD}={nonce}"
"""
