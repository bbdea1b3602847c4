"""Times of the cycles of an arm that passed, as columns: a million of them fit, and are paired by block at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.model import Outcome, Phases

Floats = NDArray[np.float64]

#: the fields of `Phases` in their order, `total_s` first
PHASES: tuple[str, ...] = Phases.__struct_fields__
#: everything that is measured in seconds per cycle
MEASURES: tuple[str, ...] = (*PHASES, "downtime_s", "vcpu_s")
_COLUMNS = (*MEASURES, "vcpu_wait_s")


class TimedCycle(Protocol):
    """What is read of a finished cycle."""

    @property
    def block(self) -> int: ...
    @property
    def outcome(self) -> Outcome: ...
    @property
    def phases(self) -> Phases: ...
    @property
    def downtime_s(self) -> float | None: ...
    @property
    def vcpu_s(self) -> float | None: ...
    @property
    def vcpu_wait_s(self) -> float | None: ...


class Times:
    """The times of one arm; failures are not among them. A time that is not known is NaN."""

    def __init__(self, cycles: Iterable[TimedCycle]) -> None:
        passed = [cycle for cycle in cycles if cycle.outcome is Outcome.PASS]
        rows = [(*_of_phases(cycle.phases), cycle.downtime_s, cycle.vcpu_s, cycle.vcpu_wait_s) for cycle in passed]
        self._values = np.array(rows, dtype=np.float64).reshape(len(rows), len(_COLUMNS))
        self._blocks = np.array([cycle.block for cycle in passed], dtype=np.int64)

    def of(self, measure: str) -> Floats:
        """Every known time (seconds) of one of `MEASURES`, in order of the cycles."""
        column = self._values[:, _COLUMNS.index(measure)]
        return column[~np.isnan(column)]

    def by_block(self, measure: str) -> tuple[NDArray[np.int64], Floats]:
        """Blocks and the arm's time in each; the geometric mean if a block has several. A time of 0 has no ratio."""
        column = self._values[:, _COLUMNS.index(measure)]
        known = column > 0
        blocks, first, counts = np.unique(self._blocks[known], return_index=True, return_counts=True)
        times = column[known]
        if (counts == 1).all():
            return blocks, times[first]
        logs = np.zeros(len(blocks))
        np.add.at(logs, np.searchsorted(blocks, self._blocks[known]), np.log(times))
        return blocks, np.exp(logs / counts)

    def waiting_share(self) -> float | None:
        """The part of the time in which vCPUs wanted to run that they waited for a CPU of the host; None if unknown."""
        on_cpu, waiting = (self._values[:, _COLUMNS.index(name)] for name in ("vcpu_s", "vcpu_wait_s"))
        known = ~np.isnan(on_cpu) & ~np.isnan(waiting)
        wanted = float(on_cpu[known].sum() + waiting[known].sum())
        return float(waiting[known].sum()) / wanted if wanted > 0 else None


def paired(ours: Times, theirs: Times, measure: str) -> tuple[Floats, Floats]:
    """Both arms' times of the blocks in which both passed and were measured, in order of the blocks."""
    left, our_times = ours.by_block(measure)
    right, their_times = theirs.by_block(measure)
    _, here, there = np.intersect1d(left, right, assume_unique=True, return_indices=True)
    return our_times[here], their_times[there]


def _of_phases(phases: Phases) -> tuple[float | None, ...]:
    return (
        phases.total_s,
        phases.shutdown_s,
        phases.handoff_s,
        phases.firmware_s,
        phases.loader_s,
        phases.kernel_s,
        phases.initrd_s,
        phases.userspace_s,
    )
