"""One cell's cycles, worked out as far as the cell alone allows: then they may be forgotten."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, structs

from harness.model import SETUP, Cell, CycleEnd, CycleRow, FailureClass, Outcome
from harness.report.model import MEASURES, ArmSummary, CellReport, Contrast, Timing
from harness.stats.build_up import BuildUp, build_up, compare_lives, placed
from harness.stats.duration import Ratio, Saving, quantile, ratio_of, saving_of
from harness.stats.firmware import BreakEven, break_even
from harness.stats.judge import compare_counted, hold_against, pair_blocks
from harness.stats.proportion import Rate, rate, rates_by_class
from harness.stats.sequential import Paired
from harness.stats.shape import shape
from harness.stats.times import Times, paired
from harness.stats.trend import FirstFailure

UNCLASSIFIED = "unclassified"
#: what a failure may go with -> the field of a cycle that has it; the device set first
FACTORS = {
    "device set": "device_set",
    "image": "image",
    "firmware": "firmware",
    "loader": "loader",
    "outgoing kernel": "kernel_before",
    "method": "method",
}

#: what every number is worked out from; a `CycleEnd` has more
Row = CycleEnd | CycleRow


class How(Struct, frozen=True, kw_only=True):
    """How arms are compared in this run."""

    margin: float
    baseline: str
    #: seconds that a real machine's firmware takes, if anybody said
    firmware_s: float | None
    #: failure rate that every arm must stay below, if one was given
    max_failure_rate: float | None = None
    #: whether the run may have stopped for what it saw; not known before all cells are
    anytime: bool = False


class Parts(Struct, frozen=True, kw_only=True):
    """A contrast, but for the decision, which takes the other cells too."""

    paired: Paired
    ratios: dict[str, Ratio]
    saved: Saving
    break_even: BreakEven | None
    first_failures: FirstFailure


class Digest(Struct, frozen=True, kw_only=True):
    """All that is known of a cell by itself."""

    cell_id: str
    cell: Cell | None
    #: blocks that were begun
    blocks: int
    arms: tuple[ArmSummary, ...]
    rates: dict[str, Rate]
    #: method -> its contrast with the baseline
    parts: dict[str, Parts]
    #: levels of `FACTORS` -> (failed, valid) cycles of all arms but the baseline
    counts: dict[tuple[str, ...], tuple[int, int]]
    setup_failed: int
    troubles: tuple[CycleEnd, ...]
    #: how many cycles did not pass, listed or not
    troubled: int


def digest(cell_id: str, cell: Cell | None, rows: Sequence[Row], troubles: tuple[CycleEnd, ...], how: How) -> Digest:
    """Work a cell out from its rows, which are in order of its cycles."""
    baseline, by_method = how.baseline, _by_method(rows)
    setup = by_method.pop(SETUP, [])
    times = {name: Times(found) for name, found in by_method.items()}
    chain = list(placed(rows))
    order = sorted(by_method, key=lambda name: (name == baseline, name))
    candidates = [name for name in order if name != baseline]
    arms = tuple(
        _arm(name, by_method[name], times[name], None if name == baseline else build_up(name, chain)) for name in order
    )
    parts = {
        name: Parts(
            paired=pair_blocks(by_method[name], by_method[baseline]),
            ratios={measure: ratio_of(*paired(times[name], times[baseline], measure)) for measure in MEASURES},
            saved=saving_of(*paired(times[name], times[baseline], "total_s")),
            break_even=break_even(times[name], times[baseline], how.firmware_s),
            first_failures=compare_lives(name, baseline, chain),
        )
        for name in candidates
        if baseline in by_method
    }
    return Digest(
        cell_id=cell_id,
        cell=cell,
        blocks=max((row.block for row in rows), default=-1) + 1,
        arms=arms,
        rates={arm.method: arm.rate for arm in arms},
        parts=parts,
        counts=_counts(by_method, candidates),
        setup_failed=len(setup),
        troubles=troubles,
        troubled=sum(row.outcome is not Outcome.PASS for row in rows),
    )


def cell_report(found: Digest, gates: Mapping[str, tuple[int, float]], how: How) -> CellReport:
    """The cell's report; `gates` map each candidate to the divisor of its error, and its q-value."""
    contrasts = tuple(
        Contrast(
            method=name,
            baseline=how.baseline,
            comparison=compare_counted(
                (found.rates[name], found.rates[how.baseline]),
                parts.paired,
                names=(name, how.baseline),
                margin=how.margin,
                gates=gates[name][0],
                anytime=how.anytime,
            ),
            q_value=gates[name][1],
            ratios=parts.ratios,
            saved=parts.saved,
            break_even=parts.break_even,
            first_failures=parts.first_failures,
        )
        for name, parts in found.parts.items()
    )
    return CellReport(
        cell_id=found.cell_id,
        cell=found.cell,
        arms=tuple(_held_against(arm, how) for arm in found.arms),
        contrasts=contrasts,
        setup_failed=found.setup_failed,
        troubles=found.troubles,
        unlisted=found.troubled - len(found.troubles),
    )


def _held_against(arm: ArmSummary, how: How) -> ArmSummary:
    if how.max_failure_rate is None:
        return arm
    found = hold_against(arm.rate, arm.method, how.max_failure_rate, anytime=how.anytime)
    return structs.replace(arm, specified=found)


def troubles_of(rows: Iterable[CycleEnd]) -> tuple[CycleEnd, ...]:
    """The cycles that did not pass, failed before invalid, each in order."""
    known = sorted(
        (row for row in rows if row.outcome is not Outcome.PASS), key=lambda row: (row.cycle, row.started_at)
    )
    return tuple(row for outcome in (Outcome.FAIL, Outcome.INVALID) for row in known if row.outcome is outcome)


def _by_method(rows: Sequence[Row]) -> dict[str, list[Row]]:
    by_method: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_method[row.method].append(row)
    return by_method


def _counts(by_method: Mapping[str, Sequence[Row]], names: Iterable[str]) -> dict[tuple[str, ...], tuple[int, int]]:
    seen = Counter(
        (row.device_set, row.image, row.firmware, row.loader, row.kernel_before, row.method, row.outcome)
        for name in names
        for row in by_method[name]
    )
    counts: dict[tuple[str, ...], tuple[int, int]] = {}
    for (*level, outcome), number in seen.items():
        if outcome is not Outcome.INVALID:
            key = tuple(str(value or "unknown") for value in level)
            failed, n = counts.get(key, (0, 0))
            counts[key] = (failed + (number if outcome is Outcome.FAIL else 0), n + number)
    return counts


def _arm(method: str, rows: Sequence[Row], times: Times, builds: BuildUp | None) -> ArmSummary:
    outcomes = Counter(row.outcome for row in rows)
    failed = outcomes[Outcome.FAIL]
    cycles = failed + outcomes[Outcome.PASS]
    classes = Counter(str(row.failure_class or UNCLASSIFIED) for row in rows if row.outcome is Outcome.FAIL)
    ordered = dict(sorted(classes.items(), key=lambda item: (-item[1], item[0])))
    return ArmSummary(
        method=method,
        cycles=cycles,
        failed=failed,
        invalid=outcomes[Outcome.INVALID],
        interrupted=sum(row.failure_class is FailureClass.INTERRUPTED for row in rows),
        rate=rate(failed, cycles),
        classes=ordered,
        timings={
            measure: Timing(median=quantile(times.of(measure), 0.5), p95=quantile(times.of(measure), 0.95))
            for measure in MEASURES
        },
        class_rates=rates_by_class(ordered, cycles),
        shape=shape(times.of("total_s")),
        waiting_share=times.waiting_share(),
        build_up=builds,
    )
