"""Results on disk: append-only records that survive a crash, artefacts beside them.

<results>/<run-id>/run.json
<results>/<run-id>/cells/<cell-id>/cycles.jsonl            the truth; one JSON object per line
<results>/<run-id>/cells/<cell-id>/console/<name>.log      raw bytes of the console
<results>/<run-id>/cells/<cell-id>/events/<name>.jsonl.gz  every event with its time, for replay and review
<results>/<run-id>/cells/<cell-id>/failures/<name>/        artefacts of a failed cycle (harness/artefacts)
<results>/<run-id>/scenarios/<test>/                       console and events of a failed scenario's guest
<results>/latest                                           points at the newest run
"""

from __future__ import annotations

import fcntl
import gzip
import os
import secrets
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from harness.clock import Clock
from harness.errors import StoreError
from harness.model import SETUP, CellRows, CycleEnd, CycleRecord, CycleRow, CycleStart, Event, Outcome, RunInfo
from harness.model.sizes import console_text

LATEST = "latest"
RUN_FILE = "run.json"
RECORDS = "cycles.jsonl"
#: a console log is cut here; a guest can print without end
MAX_CONSOLE_BYTES = 64 << 20

_encoder = msgspec.json.Encoder()
_records = msgspec.json.Decoder(CycleRecord)
_rows = msgspec.json.Decoder(CycleStart | CycleRow)
_events = msgspec.json.Decoder(Event)


def new_run_id(clock: Clock) -> str:
    """A name for a run that sorts by time and does not collide, e.g. `20260102T030405Z-1f2e`."""
    return f"{clock.wall():%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


class CellStore:
    """The folder of one cell; one writer at a time."""

    def __init__(self, run_dir: Path, cell_id: str) -> None:
        """Open the cell's records for appending.

        Raises StoreError if the folder cannot be written or another process is writing it.
        """
        self._run_dir = run_dir
        self.folder = run_dir / "cells" / cell_id
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = (self.folder / RECORDS).open("ab")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"{self.folder / RECORDS}: another process is writing these results") from error
        except OSError as error:
            raise StoreError(f"{self.folder}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, record: CycleRecord) -> None:
        """Write one record; when this returns it is on disk. Raises StoreError if it cannot be written."""
        try:
            self._file.write(_encoder.encode(record) + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise StoreError(f"{self.folder / RECORDS}: {error.strerror}") from error

    def keep_events(self, name: str, events: Sequence[Event]) -> str:
        """Keep a cycle's events, and its console as plain bytes; the console log's path below the run's folder."""
        try:
            events_dir, console_dir = self.folder / "events", self.folder / "console"
            events_dir.mkdir(exist_ok=True)
            console_dir.mkdir(exist_ok=True)
            write_events(events_dir / f"{name}.jsonl.gz", events)
            log = console_dir / f"{name}.log"
            write_console(log, events)
        except OSError as error:
            raise StoreError(f"{self.folder}: {error.strerror}") from error
        return str(log.relative_to(self._run_dir))


def write_events(path: Path, events: Iterable[Event]) -> None:
    """Every event with its time, one JSON object per line, compressed. Raises OSError."""
    with gzip.open(path, "wb", compresslevel=5) as file:
        file.writelines(_encoder.encode(event) + b"\n" for event in events)


def write_console(path: Path, events: Iterable[Event]) -> None:
    """What the console printed, cut to `MAX_CONSOLE_BYTES`. Raises OSError."""
    path.write_bytes(console_bytes(events)[:MAX_CONSOLE_BYTES])


def console_bytes(events: Iterable[Event]) -> bytes:
    """What the console printed, byte for byte; a line of the harness's own stands for what was not kept of a flood."""
    return "".join(map(console_text, events)).encode("latin-1")


def create_run(results: Path, run_id: str) -> Path:
    """Make a run's folder, unless another process of this run has, and point `latest` at it. Raises StoreError."""
    run_dir = results / run_id
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        link = results / f".{LATEST}-{run_id}-{os.getpid()}"
        link.symlink_to(run_id)
        link.rename(results / LATEST)
    except OSError as error:
        raise StoreError(f"{run_dir}: {error.strerror}; RESULTS= names another place for results") from error
    return run_dir


def write_run(run_dir: Path, run: RunInfo) -> None:
    """Write run.json in one step: a reader sees the old or the new one, never half of it."""
    new = run_dir / f".{RUN_FILE}"
    try:
        new.write_bytes(msgspec.json.format(_encoder.encode(run), indent=2) + b"\n")
        new.rename(run_dir / RUN_FILE)
    except OSError as error:
        raise StoreError(f"{run_dir / RUN_FILE}: {error.strerror}") from error


def update_run(run_dir: Path, first: RunInfo | None, change: Callable[[RunInfo], RunInfo]) -> None:
    """Change run.json, which starts as `first`; several processes may do so at once. Raises StoreError."""
    try:
        with (run_dir / f".{RUN_FILE}.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = first if first is not None and not (run_dir / RUN_FILE).exists() else read_run_info(run_dir)
            write_run(run_dir, change(known))
    except OSError as error:
        raise StoreError(f"{run_dir / RUN_FILE}: {error.strerror}") from error


def read_run_info(run_dir: Path) -> RunInfo:
    """Read run.json. Raises StoreError naming the file."""
    path = run_dir / RUN_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunInfo)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; is this the folder of a run?") from error
    except msgspec.DecodeError as error:
        raise StoreError(f"{path}: {error}") from error


def read_run(run_dir: Path) -> tuple[RunInfo, list[CycleStart | CycleEnd]]:
    """A run's description and all its records, cell by cell in order of writing. Raises StoreError."""
    run = read_run_info(run_dir)
    records: list[CycleStart | CycleEnd] = []
    for path in sorted((run_dir / "cells").glob(f"*/{RECORDS}")):
        records += read_records(path)
    return run, records


def read_large_run(run_dir: Path, listed: int = 1000) -> tuple[RunInfo, Iterator[CellRows]]:
    """A run's description and its cells one after the other, each read when it is asked for, with what numbers need.

    Of each cell's cycles that did not pass the first `listed` come whole. Raises StoreError, also while cells are read.
    """
    paths = sorted((run_dir / "cells").glob(f"*/{RECORDS}"))
    return read_run_info(run_dir), (_read_rows(path, listed) for path in paths)


def _read_rows(path: Path, listed: int) -> CellRows:
    lines = _lines(path)
    records: list[CycleStart | CycleRow] = []
    troubles: list[CycleEnd] = []
    for number, line in enumerate(lines, 1):
        try:
            record = _rows.decode(line)
            if isinstance(record, CycleRow) and record.outcome is not Outcome.PASS and len(troubles) < listed:
                whole = _records.decode(line)
                troubles += [whole] if isinstance(whole, CycleEnd) else []
        except msgspec.DecodeError as error:
            raise StoreError(f"{path}:{number}: {error}") from error
        records.append(record)
    return CellRows(path.parent.name, settled(records), settled(troubles))


def read_records(path: Path) -> list[CycleStart | CycleEnd]:
    """The records of one cell.

    A last line without its newline was torn by a crash before it counted, and is left out. Anything else that
    is not a record raises StoreError with file and line.
    """
    records = []
    for number, line in enumerate(_lines(path), 1):
        try:
            records.append(_records.decode(line))
        except msgspec.DecodeError as error:
            raise StoreError(f"{path}:{number}: {error}") from error
    return settled(records)


Record = TypeVar("Record", bound=CycleStart | CycleEnd | CycleRow)


def settled(records: list[Record]) -> list[Record]:
    """The records with one end for each cycle, in the place of its first.

    A cycle that had passed may have failed after all: its system did not last until the next reboot, and a second end
    says so. Of several ends the first that is no pass counts, so that nothing is ever made good again.
    """
    places: dict[tuple[int, str], int] = {}
    kept: list[Record] = []
    for record in records:
        if isinstance(record, CycleStart) or record.method == SETUP:
            kept.append(record)
            continue
        place = places.setdefault((record.cycle, record.method), len(kept))
        if place == len(kept):
            kept.append(record)
        elif not isinstance(first := kept[place], CycleStart) and first.outcome is Outcome.PASS:
            kept[place] = record
    return kept


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error


def read_events(path: Path) -> list[Event]:
    """Events kept by `keep_events`, in order. Raises StoreError with file and line."""
    try:
        lines = gzip.decompress(path.read_bytes()).splitlines()
    except (OSError, EOFError, zlib.error) as error:
        raise StoreError(f"{path}: {error}") from error
    events: list[Event] = []
    for number, line in enumerate(lines, 1):
        try:
            events.append(_events.decode(line))
        except msgspec.DecodeError as error:
            raise StoreError(f"{path}:{number}: {error}") from error
    return events
