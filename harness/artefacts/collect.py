"""Takes every artefact of a failed cycle, at the moment of failure, and says which were taken and which were not.

The machine is stopped first, so that all artefacts show the same moment, and stays stopped: whoever calls ends it.
Where it is held before a reset, what the reset would destroy is taken then, and the rest when the cycle has ended. None
of this may fail the cycle: an artefact that could not be taken leaves a line in artefacts.txt, and the next one's turn
comes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, structs

from harness.artefacts import command_line, console, disk, journal, limits, memory, qmp_log, registers, repro, screen
from harness.artefacts.case import MIB, Case, NotTaken, Rerun, Wanted
from harness.artefacts.symbols import SymbolStore
from harness.classify.classifier import visible
from harness.clock import Deadline
from harness.errors import HarnessError
from harness.model import CycleEnd, Event
from harness.qemu.machine import Inspection, Machine

#: all artefacts of a cycle together, in seconds; a memory dump takes the most
TOTAL_S = 300.0
REASON, STDERR = "reason.txt", "qemu.stderr"


class Artefact(Struct, frozen=True):
    """One kind of artefact; `take` writes it and gives remarks for people, or raises NotTaken."""

    file: str
    summary: str
    take: Callable[[Case], list[str]]


def _take_reason(case: Case) -> list[str]:
    end = case.ended()
    (case.folder / REASON).write_text(f"{end.reason}\n{end.evidence}\n", "utf-8", errors="backslashreplace")
    return []


def _take_stderr(case: Case) -> list[str]:
    said = case.inside().stderr
    if not said:
        raise NotTaken("QEMU said nothing")
    (case.folder / STDERR).write_text(f"{said}\n", "utf-8", errors="backslashreplace")
    return []


#: What the machine's next reset destroys; what passes first comes first.
STATE = (
    Artefact(registers.NAME, registers.SUMMARY, registers.take),
    Artefact(screen.NAME, screen.SUMMARY, screen.take),
    Artefact(memory.NAME, memory.SUMMARY, memory.take),
    Artefact(journal.NAME, journal.SUMMARY, journal.take),
    Artefact(disk.NAME, disk.SUMMARY, disk.take),
)
#: What is known of any machine.
OF_MACHINE = (
    Artefact(STDERR, "what QEMU said", _take_stderr),
    Artefact(command_line.AS_RUN, command_line.AS_RUN_SUMMARY, command_line.take_as_run),
    Artefact(command_line.NAME, command_line.SUMMARY, command_line.take),
    Artefact(qmp_log.NAME, qmp_log.SUMMARY, qmp_log.take),
)
#: What is known when the cycle has ended.
RECORDS = (
    Artefact(REASON, "the verdict, and the evidence that decided it", _take_reason),
    Artefact(console.NAME, console.SUMMARY, console.take),
    Artefact(console.BEFORE, console.SUMMARY_BEFORE, console.take_before),
    *OF_MACHINE,
    Artefact(repro.NAME, repro.SUMMARY, repro.take),
)


class Taken(Struct, frozen=True):
    """How one artefact's turn went."""

    artefact: Artefact
    #: why there is none; None if it was taken
    problem: str | None
    remarks: list[str] = []


class Collector:
    """Takes the artefacts of one cell's failures."""

    def __init__(
        self,
        run_dir: Path,
        wanted: Wanted,
        say: Callable[[str], None],
        *,
        rerun: Rerun | None = None,
        symbols: SymbolStore | None = None,
    ) -> None:
        self._run_dir, self._wanted, self._say = run_dir, wanted, say
        self._rerun, self._symbols = rerun, symbols
        #: folder -> what was taken in it before a reset
        self._held: dict[Path, list[Taken]] = {}

    def learn(self, machine: Machine, release: str) -> bool:
        """Make the kernel of a guest that is up known, so that a failure's addresses have names.

        False if the guest has not been asked: the kernel was known before, or the machine is a recording.
        """
        if self._symbols is None or self._symbols.knows(release) or machine.inspect() is None:
            return False
        self._say(f"{visible(release)}: reading its symbols, once for this image")
        problem = self._symbols.learn(machine, release)
        if problem is not None:
            self._say(visible(problem))
        return True

    def before_reset(self, name: str, cell_id: str, machine: Machine, *, boot_before: str | None) -> None:
        """Take what a reset would destroy, while the machine is held before one. Never raises."""
        folder = self._folder(cell_id, name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._held[folder] = take_state(self._case(folder, machine, boot_before=boot_before))
        except Exception as error:  # as in `collect`
            self._complain(folder, error)

    def forget(self, name: str, cell_id: str) -> None:
        """The cycle has passed after all: what was taken before a reset goes."""
        folder = self._folder(cell_id, name)
        if self._held.pop(folder, None) is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def collect(
        self,
        name: str,
        end: CycleEnd,
        machine: Machine,
        *,
        events: Sequence[Event] = (),
        console: str | None = None,
        console_before: str | None = None,
        boot_before: str | None = None,
        up: bool = False,
    ) -> Path | None:
        """Take everything of the cycle `name` into `failures/<name>` of its cell, and give that folder.

        `console` and `console_before` are logs' paths below the run's folder. The machine may run, be stopped or have
        ended. Never raises; None if not even the folder could be made, which is said.
        """
        folder = self._folder(end.cell_id, name)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            case = structs.replace(
                self._case(folder, machine, boot_before=boot_before),
                end=end,
                events=tuple(events),
                console=self._run_dir / console if console else None,
                console_before=self._run_dir / console_before if console_before else None,
                up=up,
            )
            held = self._held.pop(folder, None)
            failed = end.failure_class.value if end.failure_class else end.outcome.value
            title = f"{end.cell_id}, cycle {end.cycle} ({end.method}): {failed}"
            report(case, (held or take_state(case)) + take_records(case), title, before_reset=held is not None)
            limits.enforce(self._run_dir, self._wanted.limit_bytes, self._say)
        except Exception as error:  # a full disk, or a mistake in here: neither may cost the run
            self._complain(folder, error)
            return folder if folder.is_dir() else None
        return folder

    def collect_for_test(self, test: str, folder: Path, machine: Machine, *, up: bool) -> None:
        """Take what there is of a failed test's machine into `folder`, which exists. Never raises.

        `up`: whether its last boot or reboot came up.
        """
        try:
            case = structs.replace(self._case(folder, machine, boot_before=None), up=up)
            report(case, take_state(case) + take_records(case, OF_MACHINE), f"{test}: failed")
        except Exception as error:  # as in `collect`
            self._complain(folder, error)

    def _folder(self, cell_id: str, name: str) -> Path:
        return self._run_dir / "cells" / cell_id / "failures" / name

    def _case(self, folder: Path, machine: Machine, *, boot_before: str | None) -> Case:
        return Case(
            folder=folder,
            end=None,
            events=(),
            console=None,
            console_before=None,
            machine=machine,
            inspection=machine.inspect(),
            wanted=self._wanted,
            rerun=self._rerun,
            symbols=self._symbols,
            boot_before=boot_before,
            up=False,
            deadline=Deadline.after(machine.clock, TOTAL_S),
        )

    def _complain(self, folder: Path, error: Exception) -> None:
        self._say(f"{folder}: not every artefact could be kept: {visible(str(error))}")


def take_state(case: Case) -> list[Taken]:
    """Stop the machine and take what a reset would destroy."""
    journal.sync(case)
    case = structs.replace(case, inspection=_stopped(case.inspection))
    return [_take(artefact, case) for artefact in STATE]


def take_records(case: Case, records: Sequence[Artefact] = RECORDS) -> list[Taken]:
    """Take what needs no machine, and the log of what passed until now."""
    with suppress(HarnessError):
        case = structs.replace(case, inspection=case.machine.inspect() or case.inspection)
    return [_take(artefact, case) for artefact in records]


def _stopped(inspection: Inspection | None) -> Inspection | None:
    """The machine stopped; one that does not even take that command is not asked for anything else."""
    if inspection is None or inspection.monitor is None:
        return inspection
    try:
        # Stopping also writes what QEMU holds of the disk to its file. A machine that has stopped stays so.
        inspection.monitor.execute("stop")
    except HarnessError:
        return structs.replace(inspection, monitor=None)
    return inspection


def _take(artefact: Artefact, case: Case) -> Taken:
    if case.deadline.expired():
        return Taken(artefact, f"there was no time left: {TOTAL_S:.0f} s for all artefacts together")
    try:
        return Taken(artefact, None, artefact.take(case))
    except (NotTaken, HarnessError) as error:
        return Taken(artefact, str(error))
    except Exception as error:  # a mistake in here must not cost the cycle's record
        return Taken(artefact, f"{type(error).__name__}: {error}")


def report(case: Case, taken: Sequence[Taken], title: str, *, before_reset: bool = False) -> None:
    """Write artefacts.txt: one line for each artefact, and why those that are missing are missing. Raises OSError."""
    lines = [title]
    if before_reset:
        state = ", ".join(artefact.file for artefact in STATE)
        lines.append(f"The guest asked for a reset; {state} are of the moment before it.")
    lines.append("")
    for item in taken:
        path = case.folder / item.artefact.file
        if item.problem is not None:
            lines.append(f"{item.artefact.file:20} not taken: {visible(item.problem)}")
            continue
        size = _size(path.stat().st_size) if path.exists() else ""
        lines.append(f"{item.artefact.file:20} {size:>12}  {item.artefact.summary}")
        lines += [f"{'':34}{visible(remark)}" for remark in item.remarks]
    (case.folder / limits.LIST).write_text("\n".join(lines) + "\n", "utf-8")


def _size(count: int) -> str:
    """Bytes for people."""
    return f"{count / MIB:.1f} MiB" if count >= MIB else f"{-(-count // 1024)} KiB"
