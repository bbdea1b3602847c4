"""What every report format renders: one frozen tree, all numbers worked out."""

from __future__ import annotations

from msgspec import Struct

from harness.model import Cell, CycleEnd, CycleStart, Phases, RunInfo
from harness.stats.compare import Comparison
from harness.stats.duration import Quantile, Ratio
from harness.stats.proportion import Rate

#: the fields of `Phases` in their order, `total_s` first
PHASES: tuple[str, ...] = Phases.__struct_fields__
#: everything that is measured in seconds per cycle
MEASURES: tuple[str, ...] = (*PHASES, "downtime_s", "vcpu_s")


class Timing(Struct, frozen=True, kw_only=True):
    """One measure (seconds) over the cycles of an arm that passed."""

    median: Quantile
    p95: Quantile


class ArmSummary(Struct, frozen=True, kw_only=True):
    """One reboot method in one cell."""

    method: str
    #: finished cycles that say something of the guest: the denominator of `rate`
    cycles: int
    failed: int
    #: cycles that say nothing of the guest, interrupted ones included; in no denominator
    invalid: int
    #: cycles that were started and have no end record; part of `invalid`
    interrupted: int
    rate: Rate
    #: failure class -> failed cycles, most frequent first
    classes: dict[str, int]
    #: measure -> its times; one entry for each of `MEASURES`
    timings: dict[str, Timing]


class Contrast(Struct, frozen=True, kw_only=True):
    """One method held against the baseline of its cell."""

    method: str
    baseline: str
    comparison: Comparison
    #: measure -> method's time as a multiple of the baseline's; one entry for each of `MEASURES`
    ratios: dict[str, Ratio]


class CellReport(Struct, frozen=True, kw_only=True):
    """One cell: its arms, the baseline last, and each other arm against the baseline."""

    cell_id: str
    #: None if the run's description does not have this cell
    cell: Cell | None
    arms: tuple[ArmSummary, ...]
    contrasts: tuple[Contrast, ...]
    #: machines that did not come up before any reboot was asked of them
    setup_failed: int
    #: cycles that did not pass, failed before invalid, each in order
    troubles: tuple[CycleEnd, ...]


class Report(Struct, frozen=True, kw_only=True):
    """Everything a run found."""

    run: RunInfo
    cells: tuple[CellReport, ...]
    #: every cycle's row in order of cell and time; an interrupted cycle is there as an invalid one
    cycles: tuple[CycleEnd, ...]
    #: starts without an end
    interrupted: tuple[CycleStart, ...]


def seconds(end: CycleEnd, measure: str) -> float | None:
    """A cycle's time for one of `MEASURES`."""
    value: float | None = getattr(end.phases if measure in PHASES else end, measure)
    return value
