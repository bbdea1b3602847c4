"""A failed cycle as its artefacts see it: the machine in trouble, the evidence, and where files go."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from msgspec import Struct

from harness.artefacts.symbols import SymbolStore
from harness.clock import Deadline
from harness.errors import MachineError
from harness.host.tools import die_with_parent, find_tool
from harness.model import CycleEnd, Event
from harness.qemu.machine import Inspection, Machine, Monitor

MIB = 1 << 20
#: what the disk that results are on must keep free
RESERVE_BYTES = 512 * MIB
#: of what a program prints, the end is kept
MAX_OUTPUT_BYTES = 4 * MIB


class NotTaken(Exception):
    """An artefact that there is none of; the message says why."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What the user wants kept."""

    disk: bool = False
    memory: bool = False
    #: of all failures of a run together
    limit_bytes: int = 2048 * MIB


class Rerun(Struct, frozen=True, kw_only=True):
    """What it takes to run the cycles of this cell once more."""

    #: settings as make takes them: name -> value
    settings: dict[str, str]
    project: Path
    qemu_version: str
    image: str
    #: of the image's disk, hex, and where it is
    sha256: str
    disk: Path
    #: size of the root file system on it; None where it is not known where that lies
    root_bytes: int | None


class Case(Struct, frozen=True, kw_only=True):
    """One failed cycle."""

    #: where its artefacts go; exists
    folder: Path
    #: None as long as the cycle goes on: the machine stands before a reset
    end: CycleEnd | None
    events: tuple[Event, ...]
    #: logs of this cycle's console and of the one before it, where they are kept
    console: Path | None
    console_before: Path | None
    machine: Machine
    #: None for a recording
    inspection: Inspection | None
    wanted: Wanted
    rerun: Rerun | None
    symbols: SymbolStore | None
    #: id of the boot that the cycle started from; None for a set-up boot
    boot_before: str | None
    #: whether the guest had reported that it is up
    up: bool
    #: when all artefacts together must be done
    deadline: Deadline

    def ended(self) -> CycleEnd:
        """How the cycle ended. Raises NotTaken while it goes on."""
        if self.end is None:
            raise NotTaken("the cycle goes on")
        return self.end

    def inside(self) -> Inspection:
        """The machine's inside. Raises NotTaken for a recording."""
        if self.inspection is None:
            raise NotTaken("this is a recording, not a machine")
        return self.inspection

    def monitor(self) -> Monitor:
        """QEMU's monitor. Raises NotTaken when QEMU has ended or is a recording."""
        monitor = self.inside().monitor
        if monitor is None:
            raise NotTaken("QEMU does not run any more, or does not answer")
        return monitor

    def need_room(self, size: int, what: str, *, copies: int = 1) -> None:
        """Raise NotTaken if `size` bytes are more than the limit allows, or the disk has for so many copies."""
        if size > self.wanted.limit_bytes:
            raise NotTaken(
                f"{what} takes {size // MIB} MiB; ARTEFACTS_MIB allows {self.wanted.limit_bytes // MIB} MiB in all"
            )
        free = shutil.disk_usage(self.folder).free
        if free < copies * size + RESERVE_BYTES:
            raise NotTaken(f"{what} takes {size // MIB} MiB; the disk of {self.folder} has {free // MIB} MiB left")

    def tool(self, *command: str, limit_s: float = 60.0, ok: tuple[int, ...] = (0,), cwd: Path | None = None) -> str:
        """Run a program of the host; what it prints, the last 4 MiB of it. It ends with the harness.

        Raises NotTaken with the end of its output if it fails or takes longer than `limit_s` seconds, ToolMissing.
        """
        limit = min(limit_s, self.deadline.remaining())
        argv = [*die_with_parent(), str(find_tool(command[0])), *command[1:]]
        with tempfile.TemporaryFile(dir=self.folder) as output:
            try:
                done = subprocess.run(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=limit,
                    cwd=cwd,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise NotTaken(f"{command[0]} took longer than {limit:.0f} s") from None
            output.seek(max(0, output.seek(0, os.SEEK_END) - MAX_OUTPUT_BYTES))
            text = output.read().decode("utf-8", "replace")
        if done.returncode not in ok:
            raise NotTaken(
                f"{command[0]} failed (status {done.returncode}): {text.strip()[-400:] or '(it said nothing)'}"
            )
        return text


def silent(error: MachineError) -> NotTaken:
    """A monitor's refusal or silence, as the reason why an artefact was not taken."""
    return NotTaken(str(error))
