"""What every report format renders: one frozen tree, all numbers worked out."""

from __future__ import annotations

from msgspec import Struct

from harness.model import Cell, CycleEnd, CycleStart, RunInfo
from harness.stats.build_up import BuildUp
from harness.stats.compare import Comparison
from harness.stats.duration import Quantile, Ratio, Saving
from harness.stats.firmware import BreakEven
from harness.stats.judge import Specified
from harness.stats.proportion import Rate
from harness.stats.ranking import Factor, Ranked
from harness.stats.shape import Shape
from harness.stats.times import MEASURES, PHASES
from harness.stats.trend import FirstFailure

__all__ = [
    "MEASURES",
    "PHASES",
    "ArmSummary",
    "CellReport",
    "Contrast",
    "Report",
    "Timing",
    "seconds",
]


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
    #: failure class -> its rate
    class_rates: dict[str, Rate]
    #: how the total times are spread
    shape: Shape
    #: the part of the time in which vCPUs wanted to run that they waited for a CPU of the host; None if unknown
    waiting_share: float | None
    #: None for the baseline, which has no chains
    build_up: BuildUp | None
    #: the arm held against the failure rate that it must stay below, if one was given
    specified: Specified | None = None


class Contrast(Struct, frozen=True, kw_only=True):
    """One method held against the baseline of its cell."""

    method: str
    baseline: str
    comparison: Comparison
    #: Benjamini-Hochberg over all contrasts of the run, of "it does not fail more often"; for triage
    q_value: float
    #: measure -> method's time as a multiple of the baseline's; one entry for each of `MEASURES`
    ratios: dict[str, Ratio]
    #: seconds of the total that a reboot by this method saves
    saved: Saving
    #: None if the baseline's firmware was not measured
    break_even: BreakEven | None
    first_failures: FirstFailure


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
    #: cycles that did not pass and are not in `troubles`, for want of memory
    unlisted: int = 0


class Report(Struct, frozen=True, kw_only=True):
    """Everything a run found."""

    run: RunInfo
    cells: tuple[CellReport, ...]
    #: every cycle's row in order of cell and time; an interrupted cycle is there as an invalid one
    cycles: tuple[CycleEnd, ...]
    #: starts without an end
    interrupted: tuple[CycleStart, ...]
    #: device sets by failure rate of all arms but the baseline; for triage, empty for a single one
    ranking: tuple[Ranked, ...] = ()
    #: dimensions of the cells, and what of those failures goes with each; empty without failures
    factors: tuple[Factor, ...] = ()


def seconds(end: CycleEnd, measure: str) -> float | None:
    """A cycle's time for one of `MEASURES`."""
    value: float | None = getattr(end.phases if measure in PHASES else end, measure)
    return value
