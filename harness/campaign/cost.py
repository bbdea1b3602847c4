"""How long a cell will take on this host, from what earlier runs of this host took."""

from __future__ import annotations

import datetime
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from msgspec import Struct

from harness.config import Settings
from harness.errors import StoreError
from harness.model import SETUP, Cell, CycleEnd
from harness.store import RUN_FILE, read_run

#: newest runs that are looked at
MAX_RUNS = 20
#: somebody suspended the host, or a run was resumed the next day: no duration of a cycle
LONGEST_S = 3600.0


class Estimate(Struct, frozen=True, kw_only=True):
    """What a cell will take. `seconds_from` says for each arm what that is known from."""

    #: booting its machine, and every cycle of every arm
    seconds: float
    #: arm -> seconds of one of its cycles
    cycle_seconds: dict[str, float]
    #: arm -> `cell`, `image` or `default`
    seconds_from: dict[str, str]

    @property
    def hours(self) -> float:
        return self.seconds / 3600


class History:
    """Seconds from the start of each cycle to the next one's, by cell and arm and by image and arm."""

    def __init__(self) -> None:
        self._by_cell: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._by_image: dict[tuple[str, str], list[float]] = defaultdict(list)
        #: runs that had anything to say
        self.runs = 0

    @classmethod
    def read(cls, results: Path, host: Mapping[str, Any]) -> Self:
        """What the newest runs below `results` took, of those on a host like this one.

        `host` is what run.json keeps of a host: CPUs and machine must be the same. A run that cannot be read is
        passed over: it says nothing of the time.
        """
        history = cls()
        for run_dir in sorted((path.parent for path in results.glob(f"*/{RUN_FILE}")), reverse=True):
            if run_dir.is_symlink() or history.runs == MAX_RUNS:
                continue
            try:
                info, records = read_run(run_dir)
            except StoreError:
                continue
            # The hosts of a merged run are those of its parts, and no two need be alike.
            if not info.parts and all(info.host.get(key) == host.get(key) for key in ("cpus", "machine")):
                history._learn([end for end in records if isinstance(end, CycleEnd) and end.method != SETUP])
        return history

    def estimate(self, cell: Cell, settings: Settings) -> Estimate:
        """What `cell` will take with its settings; images that must be built first are not in it."""
        arms = {method: self._seconds(cell, method, settings.cycle_seconds) for method in settings.methods}
        # A machine is booted once before the first cycle, which takes about as long as a cold reboot.
        boot = self._seconds(cell, "cold", settings.cycle_seconds)[0]
        return Estimate(
            seconds=boot + settings.blocks * sum(seconds for seconds, _ in arms.values()),
            cycle_seconds={method: seconds for method, (seconds, _) in arms.items()},
            seconds_from={method: source for method, (_, source) in arms.items()},
        )

    def _seconds(self, cell: Cell, method: str, default: float) -> tuple[float, str]:
        if found := self._by_cell.get((cell.cell_id, method)):
            return statistics.median(found), "cell"
        if found := self._by_image.get((cell.image, method)):
            return statistics.median(found), "image"
        return default, "default"

    def _learn(self, ends: Sequence[CycleEnd]) -> None:
        by_cell: dict[str, list[CycleEnd]] = defaultdict(list)
        for end in ends:
            by_cell[end.cell_id].append(end)
        learnt = False
        for mine in by_cell.values():
            for end, following in pairwise(mine):
                seconds = (_started(following) - _started(end)).total_seconds()
                if 0 < seconds <= LONGEST_S:
                    self._by_cell[end.cell_id, end.method].append(seconds)
                    self._by_image[end.image, end.method].append(seconds)
                    learnt = True
        self.runs += learnt


def _started(end: CycleEnd) -> datetime.datetime:
    return datetime.datetime.fromisoformat(end.started_at)
