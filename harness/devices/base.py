"""What a device set is: QEMU options, and scripts by which the guest shows that the devices work."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from importlib import resources as files
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, structs

from harness.config.cells import TOGETHER
from harness.errors import ConfigError
from harness.host.helpers import Helper
from harness.model import DeviceFinding, Option

#: where guests find the harness's echo service, by user-mode networking's guest forwarding
ECHO_PORT = 7
DISK_MIB = 64
#: name of QEMU's drive that is the root disk
ROOT = "root0"
#: stands before every family's script
COMMON = "common.sh"
#: line of a script's output that says which of several sets speaks from there on
SPEAKER = "set"


class Resources(Struct, frozen=True, kw_only=True):
    """What the host lends to a device set: chardev ids and files that exist before QEMU starts.

    Where a machine has several sets, each has a number, and everything that it lends and names has it, too.
    """

    #: the machine's folder, as QEMU's options want it
    folder: Path
    #: position among the machine's device sets, from 0
    number: int = 0

    @property
    def suffix(self) -> str:
        """What names of this set end with: nothing for the first one."""
        return str(self.number or "")

    @property
    def echo_chardev(self) -> str:
        """Id of a chardev that echoes whatever the guest sends."""
        return f"echo{self.suffix}"

    @property
    def echo_network(self) -> str:
        """The first three bytes of the guest's network; no two cards are in the same one."""
        return f"10.0.{2 + self.number}"

    @property
    def echo_address(self) -> str:
        """Where the guest finds the echo service on its network."""
        return f"{self.echo_network}.100"

    @property
    def mac_end(self) -> str:
        """The MAC address of the set's network card, but for its first byte."""
        return f"54:00:6b:78:{self.number + 1:02x}"

    @property
    def serial(self) -> str:
        """Serial number of the set's disks, by which the guest finds them whatever their driver calls them."""
        return f"kexecdata{self.suffix}"

    def disk(self, which: int = 0) -> Path:
        """An empty raw disk of `DISK_MIB` MiB."""
        return self.folder / disk_name(self.number, which)

    def lent_folder(self, name: str) -> Path:
        """A folder that is shared with the guest."""
        return self.folder / f"{name}{self.suffix}"

    def id(self, name: str) -> str:
        """An id that no other set of the machine has."""
        return f"{name}{self.number}"


def disk_name(number: int, which: int) -> str:
    """File name of a disk that is lent to the set with this number."""
    place = f"{number}-{which}" if which else str(number or "")
    return f"data{place}.raw"


class Host(Protocol):
    """The host's side of a machine that runs."""

    @property
    def folder(self) -> Path:
        """The machine's folder."""
        ...

    def execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """Run a QMP command. Raises MachineError."""
        ...


class DeviceSet(Struct, frozen=True, kw_only=True):
    """A named group of emulated devices under test."""

    name: str
    summary: str
    options: Callable[[Resources], list[Option]]
    #: name of the guest script (a file beside the family) that checks the devices
    script: str
    #: kernel driver that must be bound, as /sys names it; of several with `|` between them, any one
    driver: str
    #: kernel modules that the guest must have, each by any one of the names with `|` between; None: the driver's name
    modules: tuple[str, ...] | None = None
    #: first release of QEMU that has it; "" for one that is older than any in use. For people: the binary is asked
    since: str = ""
    #: devices, by QEMU's names, that the board must have of its own
    of_the_board: tuple[str, ...] = ()
    #: disks of `DISK_MIB` MiB that it borrows
    disks: int = 0
    #: empty folders that it borrows, by name below the machine's folder
    folders: tuple[str, ...] = ()
    #: what the root disk (QEMU's drive `ROOT`) hangs on, if it is this set that is under test as such
    root: Callable[[Resources], list[Option]] | None = None
    #: program that runs beside QEMU for it
    helper: Callable[[Resources], Helper] | None = None
    #: words that the guest's kernel needs on its command line, from the first reboot on, or sooner
    words: tuple[str, ...] = ()
    #: what the host does once the machine has come up for the first time, such as plugging something in
    plug: Callable[[Host, Resources], None] | None = None
    #: what the host looks at after a reboot, when the guest has been asked
    look: Callable[[Host, Resources], tuple[DeviceFinding, ...]] | None = None
    #: what its script is told besides: variable -> value
    values: Mapping[str, str] = {}
    #: the sets that it is made of, if it is several at once
    parts: tuple[DeviceSet, ...] = ()
    #: position among the machine's device sets
    number: int = 0

    def before(self, nonce: str) -> str:
        """The script that prepares the guest for a check after the next reboot, e.g. writes a pattern.

        It ends with a status other than 0 as soon as one of the sets cannot be prepared.
        """
        return "".join(f"(\n{part.script_for('before', nonce)}\n) || exit 1\n" for part in self.members)

    def after(self, nonce: str) -> str:
        """The script that shows, after a reboot, that the devices work."""
        return "".join(
            f"{f'echo {SPEAKER} {shlex.quote(part.name)}' if self.parts else ':'}\n"
            f"(\n{part.script_for('after', nonce)}\n) || exit\n"
            for part in self.members
        )

    @property
    def members(self) -> tuple[DeviceSet, ...]:
        """The sets that it is made of: itself, unless it is several at once."""
        return self.parts or (self,)

    @property
    def needed_of_the_board(self) -> list[str]:
        """Devices, by QEMU's names, that the board must have of its own."""
        return [name for part in self.members for name in part.of_the_board]

    @property
    def kernel_words(self) -> list[str]:
        """Its words and those of its parts, for a kernel that no boot loader gives them to."""
        return [word for part in self.members for word in part.words]

    @property
    def disk_names(self) -> list[str]:
        """File names of all disks that it borrows."""
        return [disk_name(part.number, which) for part in self.members for which in range(part.disks)]

    @property
    def folder_names(self) -> list[str]:
        """Names of all folders that it borrows."""
        return [f"{name}{part.number or ''}" for part in self.members for name in part.folders]

    def root_argv(self, folder: Path) -> list[Option] | None:
        """What the root disk hangs on; None for the disk that machines have otherwise."""
        for part in self.members:
            if part.root is not None:
                return part.root(Resources(folder=folder, number=part.number))
        return None

    def helpers_in(self, folder: Path) -> list[Helper]:
        """The programs that run beside QEMU on a machine whose folder is `folder`."""
        return [
            part.helper(Resources(folder=folder, number=part.number))
            for part in self.members
            if part.helper is not None
        ]

    def plug_all(self, host: Host) -> None:
        """Do on the host what the machine needs once it is up. Raises MachineError."""
        for part in self.members:
            if part.plug is not None:
                part.plug(host, Resources(folder=host.folder, number=part.number))

    def look_at_all(self, host: Host) -> tuple[DeviceFinding, ...]:
        """What the host sees of the devices after a reboot. Raises MachineError."""
        found: list[DeviceFinding] = []
        for part in self.members:
            if part.look is not None:
                seen = part.look(host, Resources(folder=host.folder, number=part.number))
                speaker = f"{part.name}: " if self.parts else ""
                found += [structs.replace(finding, detail=f"{speaker}{finding.detail}") for finding in seen]
        return tuple(found)

    @property
    def modules_needed(self) -> list[str]:
        """Kernel modules of all its devices; a module that has several names has `|` between them."""
        return [
            module for part in self.members for module in (part.modules if part.modules is not None else (part.driver,))
        ]

    def argv(self, folder: Path) -> list[Option]:
        """Its part of QEMU's command line, on a machine whose folder is `folder`."""
        return [
            option for part in self.members for option in part.options(Resources(folder=folder, number=part.number))
        ]

    def script_for(self, stage: str, nonce: str) -> str:
        """The family's script with what it has to know."""
        lent = Resources(folder=Path(), number=self.number)
        folder = files.files("harness.devices")
        text = "".join(folder.joinpath(name).read_text("utf-8") for name in (COMMON, self.script))
        values = {
            "STAGE": stage,
            "NONCE": nonce,
            "DRIVER": self.driver,
            "SERIAL": lent.serial,
            "MAC_END": lent.mac_end,
            "WORDS": " ".join(self.words),
            "ECHO_ADDRESS": lent.echo_address,
            "ECHO_PORT": str(ECHO_PORT),
            **self.values,
        }
        assignments = "\n".join(f"{name}={shlex.quote(value)}" for name, value in values.items())
        return f"{assignments}\n{text}"


def several(sets: Sequence[DeviceSet]) -> DeviceSet:
    """All of these on one machine, as one set; a single one is itself. Raises ConfigError for two root disks."""
    if len(sets) == 1:
        return sets[0]
    roots = [one.name for one in sets if any(member.root for member in one.members)]
    if len(roots) > 1:
        raise ConfigError(f"{' and '.join(roots)} are root disks, and a machine has one", key="device")
    every = [member for one in sets for member in one.members]
    parts = tuple(structs.replace(part, number=number) for number, part in enumerate(every))
    return DeviceSet(
        name=TOGETHER.join(one.name for one in sets),
        summary="; ".join(one.summary for one in sets),
        options=lambda _: [],
        script="",
        driver="",
        parts=parts,
    )


def parse_findings(output: str) -> tuple[DeviceFinding, ...]:
    """Read a check script's lines `ok NAME DETAIL` and `fail NAME DETAIL`; other lines are noise.

    After a line `set NAME` the checks are that set's.

    >>> parse_findings("ok driver eth0 bound")
    (DeviceFinding(check='driver', ok=True, detail='eth0 bound'),)
    """
    findings = []
    speaker = ""
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        if word == SPEAKER and rest:
            speaker = f"{rest}: "
        if word in {"ok", "fail"} and rest:
            check, _, detail = rest.partition(" ")
            findings.append(DeviceFinding(check, word == "ok", f"{speaker}{detail}"))
    return tuple(findings)
