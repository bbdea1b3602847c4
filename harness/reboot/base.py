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
    #: the only init system that it works with; None: every one
    init: str | None = None
    #: guest script that prints why its system cannot do this, and nothing if it can; None: every one can
    lacking: str | None = None
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


#: Guest script that asks for a reboot as the image's init system wants it. Up to systemd 254 its `reboot` is a kexec
#: whenever a kernel is loaded, and `systemctl reboot` never; elsewhere there is only one of them.
REBOOT = "if [ -d /run/systemd/system ]; then systemctl reboot; else reboot; fi"
POWER_OFF = "if [ -d /run/systemd/system ]; then systemctl poweroff; else poweroff; fi"

#: where an image without systemd reads the next kernel's command line, if the next reboot is to be a kexec
NEXT_COMMAND_LINE = "/run/kexec-harness/command-line"
#: and kexec-load's settings, as far as it has an equal for them: LOAD_CALL
NEXT_SETTINGS = "/run/kexec-harness/settings"


def choose_kernel(release: str) -> str:
    """Guest script by which the next boot, by kexec or through the boot loader, starts this kernel of the image.

    Everybody in the image goes by these links: GRUB's configuration, kexec-load, Debian's kexec-load-kernel.
    """
    return f"""
set -e
release={shlex.quote(release)}
for name in vmlinuz initrd.img; do
    [ -e "/boot/$name-$release" ] || {{ echo "/boot/$name-$release does not exist"; exit 1; }}
done
ln -sfn "boot/vmlinuz-$release" /vmlinuz
ln -sfn "boot/initrd.img-$release" /initrd.img
sync
"""


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
