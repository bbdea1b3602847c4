"""From the records of a run to its report. Pure: the same records always give the same report."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from harness.model import (
    SETUP,
    BootPath,
    Cell,
    CycleEnd,
    CycleRecord,
    CycleStart,
    FailureClass,
    Outcome,
    RunInfo,
)
from harness.report.model import MEASURES, ArmSummary, CellReport, Contrast, Report, Timing
from harness.stats.build_up import BuildUp, build_up, compare_lives, placed
from harness.stats.compare import MARGIN, Decision
from harness.stats.duration import quantile, ratio_of, saving_of
from harness.stats.firmware import break_even
from harness.stats.judge import arm_p_value, compare_cycles
from harness.stats.multiplicity import holm_divisors, q_values
from harness.stats.proportion import rate, rates_by_class
from harness.stats.ranking import Factor, explain, rank
from harness.stats.shape import shape
from harness.stats.times import Times, paired

#: the method that others are held against
BASELINE = "cold"
UNCLASSIFIED = "unclassified"
#: what a failure may go with -> the field of a cycle that has it
FACTORS = {
    "device set": "device_set",
    "image": "image",
    "firmware": "firmware",
    "loader": "loader",
    "outgoing kernel": "kernel_before",
    "method": "method",
}

KeyT = TypeVar("KeyT", bound=Hashable)


def summarise(run: RunInfo, records: Iterable[CycleRecord], margin: float = MARGIN, baseline: str = BASELINE) -> Report:
    """Work out everything a report shows.

    `records` are those of all cells, each cell's in order of writing. `margin` is the difference of failure rates
    (a share) that is still "no worse". A start without an end is an interrupted cycle: shown, counted as invalid.
    """
    cells = {cell.cell_id: cell for cell in run.cells}
    ends, interrupted = _match(records)
    rows = [*ends, *(_as_end(start, run, cells.get(start.cell_id)) for start in interrupted)]
    by_cell: dict[str, list[CycleEnd]] = {cell_id: [] for cell_id in cells}
    for row in rows:
        by_cell.setdefault(row.cell_id, []).append(row)
    for cycles in by_cell.values():
        cycles.sort(key=lambda end: (end.cycle, end.started_at))
    how = _How(margin, baseline, stopped_early(run, by_cell.values()), _firmware_seconds(run))
    gates = _gates(by_cell, how, run.gates)
    candidates = [row for row in rows if row.method not in {SETUP, baseline}]
    return Report(
        run=run,
        cells=tuple(_cell(cell_id, cells.get(cell_id), found, how, gates) for cell_id, found in by_cell.items()),
        cycles=tuple(row for found in by_cell.values() for row in found),
        interrupted=tuple(interrupted),
        ranking=tuple(rank(_counts(candidates, lambda row: row.device_set))),
        factors=tuple(_factors(candidates)),
    )


def _counts(rows: Iterable[CycleEnd], key: Callable[[CycleEnd], KeyT]) -> dict[KeyT, tuple[int, int]]:
    """Failed and valid cycles by some key of a row."""
    failed: Counter[KeyT] = Counter()
    valid: Counter[KeyT] = Counter()
    for row in rows:
        if row.outcome is not Outcome.INVALID:
            valid[key(row)] += 1
            failed[key(row)] += row.outcome is Outcome.FAIL
    return {found: (failed[found], n) for found, n in valid.items()}


def _factors(rows: Iterable[CycleEnd]) -> list[Factor]:
    counts = _counts(rows, lambda row: tuple(str(getattr(row, name) or "unknown") for name in FACTORS.values()))
    if not any(failed for failed, _ in counts.values()):
        return []
    return explain([(dict(zip(FACTORS, levels, strict=True)), failed, n) for levels, (failed, n) in counts.items()])


#: (cell, method) -> (divisor of the error, q-value)
Gates = Mapping[tuple[str, str], tuple[int, float]]


class _How(Struct, frozen=True):
    """How arms are compared in this run."""

    margin: float
    baseline: str
    #: whether the run may have stopped for what it saw
    anytime: bool
    #: seconds that a real machine's firmware takes, if anybody said
    firmware_s: float | None


def _firmware_seconds(run: RunInfo) -> float | None:
    setting = run.settings.get("firmware_seconds")
    return float(setting.value) if setting is not None and isinstance(setting.value, int | float) else None


def has_worse_arm(report: Report) -> bool:
    """Whether any arm of any cell was shown to fail more often than its baseline."""
    contrasts = (contrast for cell in report.cells for contrast in cell.contrasts)
    return any(contrast.comparison.decision is Decision.WORSE for contrast in contrasts)


def stopped_early(run: RunInfo, cells: Iterable[Sequence[CycleEnd]]) -> bool:
    """Whether a run was free to end for what it saw: by its own rule, or because somebody ended it.

    After that only intervals that hold at any time are honest.
    """
    settings = {name: setting.value for name, setting in run.settings.items()}
    if settings.get("stop", "fixed") != "fixed":
        return True
    blocks = settings.get("blocks")
    return isinstance(blocks, int) and any(rows and max(row.block for row in rows) + 1 < blocks for rows in cells)


def _gates(by_cell: Mapping[str, Sequence[CycleEnd]], how: _How, planned: int) -> Gates:
    """What Holm's method divides the error of each comparison by, and its q-value."""
    p_values: dict[tuple[str, str], float] = {}
    for cell_id, rows in by_cell.items():
        by_method = _by_method(rows)
        baseline = by_method.pop(how.baseline, [])
        for name, mine in by_method.items():
            if name != SETUP and baseline:
                p_values[cell_id, name] = arm_p_value(mine, baseline, anytime=how.anytime)
    found = list(p_values.values())
    return dict(zip(p_values, zip(holm_divisors(found, planned), q_values(found), strict=True), strict=True))


def _by_method(rows: Sequence[CycleEnd]) -> dict[str, list[CycleEnd]]:
    by_method: dict[str, list[CycleEnd]] = defaultdict(list)
    for row in rows:
        by_method[row.method].append(row)
    return by_method


def _match(records: Iterable[CycleRecord]) -> tuple[list[CycleEnd], list[CycleStart]]:
    """The ends, and the starts that have none. A resumed run starts the same cycle again: only one start is met."""
    ends: list[CycleEnd] = []
    # dicts keep their order, so what is left over is in order of writing
    waiting: dict[tuple[str, int, str], list[CycleStart]] = {}
    for record in records:
        key = (record.cell_id, record.cycle, record.method)
        if isinstance(record, CycleStart):
            waiting.setdefault(key, []).append(record)
            continue
        ends.append(record)
        if waiting.get(key):
            waiting[key].pop()
    return ends, [start for starts in waiting.values() for start in starts]


def _as_end(start: CycleStart, run: RunInfo, cell: Cell | None) -> CycleEnd:
    return CycleEnd(
        run_id=run.run_id,
        cell_id=start.cell_id,
        image=cell.image if cell else "",
        device_set=cell.device_set if cell else "",
        firmware=cell.firmware if cell else "",
        loader=cell.loader if cell else "",
        machine=cell.machine if cell else "",
        arch=cell.arch if cell else "",
        accel=run.accel,
        qemu_version=run.qemu_version,
        method=start.method,
        block=start.block,
        order=start.order,
        cycle=start.cycle,
        outcome=Outcome.INVALID,
        failure_class=FailureClass.INTERRUPTED,
        path=BootPath.NONE,
        started_at=start.started_at,
        rule="no-end-record",
        reason="the harness stopped during this cycle",
    )


def _cell(cell_id: str, cell: Cell | None, rows: Sequence[CycleEnd], how: _How, gates: Gates) -> CellReport:
    baseline, by_method = how.baseline, _by_method(rows)
    setup = by_method.pop(SETUP, [])
    times = {name: Times(found) for name, found in by_method.items()}
    chain = list(placed(rows))
    order = sorted(by_method, key=lambda name: (name == baseline, name))
    contrasts = [
        Contrast(
            method=name,
            baseline=baseline,
            comparison=compare_cycles(
                by_method[name],
                by_method[baseline],
                names=(name, baseline),
                margin=how.margin,
                gates=gates[cell_id, name][0],
                anytime=how.anytime,
            ),
            q_value=gates[cell_id, name][1],
            ratios={measure: ratio_of(*paired(times[name], times[baseline], measure)) for measure in MEASURES},
            saved=saving_of(*paired(times[name], times[baseline], "total_s")),
            break_even=break_even(times[name], times[baseline], how.firmware_s),
            first_failures=compare_lives(name, baseline, chain),
        )
        for name in order
        if name != baseline and baseline in by_method
    ]
    return CellReport(
        cell_id=cell_id,
        cell=cell,
        arms=tuple(
            _arm(name, by_method[name], times[name], None if name == baseline else build_up(name, chain))
            for name in order
        ),
        contrasts=tuple(contrasts),
        setup_failed=len(setup),
        troubles=tuple(row for outcome in (Outcome.FAIL, Outcome.INVALID) for row in rows if row.outcome is outcome),
    )


def _arm(method: str, rows: Sequence[CycleEnd], times: Times, builds: BuildUp | None) -> ArmSummary:
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
