"""How long cycles take on this host, from the runs that it has done."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from msgspec import Struct

from harness.errors import StoreError
from harness.model import SETUP, CycleRow, CycleStart
from harness.store import RUN_FILE, read_large_run

#: newest runs that are looked at
MAX_RUNS = 20
#: somebody suspended the host, or a run was resumed the next day: no duration of a cycle
LONGEST_S = 3600.0


class Pace(Struct, frozen=True, kw_only=True):
    """Seconds from one cycle's start to the next one's, on average: new machines after failures are part of it."""

    seconds: float
    cycles: int
    runs: int


def pace(results: Path, host: Mapping[str, Any], methods: tuple[str, ...]) -> Pace | None:
    """The pace of this host, from the newest runs under `results` that ran on one like it; None without any.

    `host` is what run.json keeps of a host; CPUs and machine must be the same. A run that cannot be read is passed
    over: it says nothing of the pace.
    """
    total, cycles, runs = 0.0, 0, 0
    for run_dir in sorted((path.parent for path in results.glob(f"*/{RUN_FILE}")), reverse=True):
        if run_dir.is_symlink() or runs == MAX_RUNS:
            continue
        try:
            info, cells = read_large_run(run_dir)
            if any(info.host.get(key) != host.get(key) for key in ("cpus", "machine")):
                continue
            found = [seconds for cell in cells for seconds in _durations(cell.records, methods)]
        except StoreError:
            continue
        total, cycles, runs = total + sum(found), cycles + len(found), runs + bool(found)
    return Pace(seconds=total / cycles, cycles=cycles, runs=runs) if cycles else None


def _durations(records: Sequence[CycleStart | CycleRow], methods: tuple[str, ...]) -> list[float]:
    """Seconds from each start of a cell's cycle to the next one's."""
    ends = [record for record in records if isinstance(record, CycleRow) and record.method != SETUP]
    starts = [(datetime.datetime.fromisoformat(end.started_at), end.method) for end in ends]
    gaps = [((later - earlier).total_seconds(), method) for (earlier, method), (later, _) in pairwise(starts)]
    return [seconds for seconds, method in gaps if method in methods and 0 < seconds <= LONGEST_S]
