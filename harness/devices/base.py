"""What a device set is: QEMU options, and scripts by which the guest shows that the devices work."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from msgspec import Struct

from harness.model import DeviceFinding, Option

#: where guests find the harness's echo service, by user-mode networking's guest forwarding
ECHO_ADDRESS = "10.0.2.100"
ECHO_PORT = 7
#: serial number of the data disk, by which the guest finds it whatever its driver calls it
DISK_SERIAL = "kexecdata"
DISK_MIB = 64


class Resources(Struct, frozen=True):
    """What the host lends to a device set: chardev ids and files that exist before QEMU starts."""

    #: id of a chardev that echoes whatever the guest sends
    echo_chardev: str
    #: an empty raw disk of `DISK_MIB` MiB
    data_disk: Path


class DeviceSet(Struct, frozen=True, kw_only=True):
    """A named group of emulated devices under test."""

    name: str
    summary: str
    options: Callable[[Resources], list[Option]]
    #: name of the guest script (a file beside the family) that checks the devices
    script: str
    #: kernel driver that must be bound, as /sys names it
    driver: str

    def before(self, nonce: str) -> str:
        """The script that prepares the guest for a check after the next reboot, e.g. writes a pattern."""
        return self._script("before", nonce)

    def after(self, nonce: str) -> str:
        """The script that shows, after a reboot, that the devices work."""
        return self._script("after", nonce)

    def _script(self, stage: str, nonce: str) -> str:
        text = resources.files("harness.devices").joinpath(self.script).read_text("utf-8")
        values = {
            "STAGE": stage,
            "NONCE": nonce,
            "DRIVER": self.driver,
            "SERIAL": DISK_SERIAL,
            "ECHO_ADDRESS": ECHO_ADDRESS,
            "ECHO_PORT": str(ECHO_PORT),
        }
        assignments = "\n".join(f"{name}={shlex.quote(value)}" for name, value in values.items())
        return f"{assignments}\n{text}"


def parse_findings(output: str) -> tuple[DeviceFinding, ...]:
    """Read a check script's lines `ok NAME DETAIL` and `fail NAME DETAIL`; other lines are noise.

    >>> parse_findings("ok driver eth0 bound")
    (DeviceFinding(check='driver', ok=True, detail='eth0 bound'),)
    """
    findings = []
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        if word in {"ok", "fail"} and rest:
            check, _, detail = rest.partition(" ")
            findings.append(DeviceFinding(check, word == "ok", detail))
    return tuple(findings)
