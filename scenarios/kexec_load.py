"""What the scenarios of kexec-load have in common: plain reboots, settings, and witnesses inside the guest."""

from __future__ import annotations

from harness.guest import Guest
from harness.model import BootPath
from harness.reboot.base import NONCE_WORD, PATIENT, Method, remember

SETTINGS = "/etc/default/kexec-load.d/scenario.conf"

#: `systemctl reboot`, with nothing said to kexec-load, which must keep away from it
PLAIN_COLD = Method(
    name="plain",
    summary="systemctl reboot, which kexec-load has a reason to keep away from",
    path=BootPath.FIRMWARE,
    arm=remember,
    trigger="systemctl reboot",
)


def _with_nonce(nonce: str) -> str:
    return f"""
{remember(nonce)}
mkdir -p /run/kexec-load/conf.d
printf '%s\\n' "APPEND_ONCE=\\"{NONCE_WORD}={nonce} $(cat /run/next-words 2>/dev/null)\\"" {PATIENT} \\
    >/run/kexec-load/conf.d/kexec-harness.conf
"""


#: `systemctl reboot`, which must be a kexec; as the arm `kexec` of a campaign, but with MAX_FAILURES as it is
PLAIN_KEXEC = Method(
    name="plain",
    summary="systemctl reboot, which kexec-load is to make a kexec",
    path=BootPath.KEXEC,
    arm=_with_nonce,
    trigger="systemctl reboot",
)

# systemd runs every hook of this folder at once, everything unmounted, right before it reboots.
WITNESS = "/lib/systemd/system-shutdown/witness"
_WITNESS_SCRIPT = """#!/bin/sh
for file in /sys/kernel/kexec/loaded /sys/kernel/kexec_loaded; do
    [ ! -e "$file" ] || { echo "<6>scenario: $1, loaded $(cat "$file")" >/dev/kmsg && exit; }
done
"""


def sh(guest: Guest, script: str, timeout: float = 120.0) -> str:
    """What a script printed that has to end well."""
    reply = guest.run(script, timeout)
    assert reply.status == 0, f"{script}\nended with status {reply.status}:\n{reply.output}"
    return reply.output


def observe(guest: Guest) -> None:
    """The journal outlives reboots, and the end of each shutdown says whether an image is loaded."""
    if guest.run(f"test -e {WITNESS}").status == 0:
        return
    sh(guest, "mkdir -p /var/log/journal && systemctl restart systemd-journald && journalctl --flush")
    guest.put(WITNESS, _WITNESS_SCRIPT.encode(), mode=0o755)


def configure(guest: Guest, *settings: str) -> None:
    """Settings of kexec-load that stay until `deconfigure`."""
    sh(guest, f"mkdir -p {SETTINGS.rpartition('/')[0]}")
    guest.put(SETTINGS, "".join(f"{setting}\n" for setting in settings).encode())


def deconfigure(guest: Guest) -> None:
    sh(guest, f"rm -f {SETTINGS}")


def last_journal(guest: Guest) -> str:
    """What the boot before this one has in its journal about kexec-load's service."""
    return sh(guest, "journalctl --boot=-1 --unit=kexec-load.service --output=cat --no-pager")


def assert_stood_aside(guest: Guest, reason: str, *, word: str = "standing aside") -> None:
    """The last reboot was a normal one, for this reason, and left nothing loaded and nothing failed."""
    journal = last_journal(guest)
    assert f"{word}: " in journal
    assert reason in journal
    assert "Failed with result" not in journal
    assert "scenario: reboot, loaded 0" in guest.last_console
