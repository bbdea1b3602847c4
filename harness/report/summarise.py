"""From the records of a run to its report. Pure: the same records always give the same report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec import structs

from harness.model import (
    BootPath,
    Cell,
    CellRows,
    CycleEnd,
    CycleRecord,
    CycleStart,
    FailureClass,
    Outcome,
    RunInfo,
)
from harness.report.digest import FACTORS, Digest, How, Row, cell_report, digest, troubles_of
from harness.report.model import Report
from harness.stats.compare import MARGIN, Decision
from harness.stats.judge import p_value_of
from harness.stats.multiplicity import holm_divisors, q_values
from harness.stats.ranking import explain, rank

#: the method that others are held against
BASELINE = "cold"

EndT = TypeVar("EndT", bound=Row)


def summarise(run: RunInfo, records: Iterable[CycleRecord], margin: float = MARGIN, baseline: str = BASELINE) -> Report:
    """Work out everything a report shows.

    `records` are those of all cells, each cell's in order of writing. `margin` is the difference of failure rates
    (a share) that is still "no worse". A start without an end is an interrupted cycle: shown, counted as invalid.
    """
    cells = {cell.cell_id: cell for cell in run.cells}
    ends, interrupted = match(records)
    rows = [*ends, *(as_end(start, run, cells.get(start.cell_id)) for start in interrupted)]
    by_cell: dict[str, list[CycleEnd]] = {cell_id: [] for cell_id in cells}
    for row in rows:
        by_cell.setdefault(row.cell_id, []).append(row)
    how = _how(run, margin, baseline)
    digests = []
    for cell_id, found in by_cell.items():
        found.sort(key=lambda end: (end.cycle, end.started_at))
        digests.append(digest(cell_id, cells.get(cell_id), found, troubles_of(found), how))
    every = tuple(row for found in by_cell.values() for row in found)
    return _report(run, digests, how, every, tuple(interrupted))


def summarise_large(
    run: RunInfo, cells: Iterable[CellRows], margin: float = MARGIN, baseline: str = BASELINE
) -> Report:
    """The same cell by cell, of runs that do not fit into memory at once: without the report's `cycles`.

    `cells` are read as they are asked for; of cycles that did not pass, those are listed which came with them.
    """
    planned = {cell.cell_id: cell for cell in run.cells}
    how = _how(run, margin, baseline)
    digests: dict[str, Digest] = {}
    left_over: list[CycleStart] = []
    for given in cells:
        ends, interrupted = match(given.records)
        cut_short = [as_end(start, run, planned.get(start.cell_id)) for start in interrupted]
        rows: list[Row] = [*ends, *cut_short]
        rows.sort(key=lambda end: (end.cycle, end.started_at))
        left_over += interrupted
        troubles = troubles_of([*given.troubles, *cut_short])
        digests[given.cell_id] = digest(given.cell_id, planned.get(given.cell_id), rows, troubles, how)
    empty = {name: digest(name, cell, [], (), how) for name, cell in planned.items() if name not in digests}
    return _report(run, [*digests.values(), *empty.values()], how, (), tuple(left_over))


def _report(
    run: RunInfo,
    digests: Sequence[Digest],
    how: How,
    cycles: tuple[CycleEnd, ...],
    interrupted: tuple[CycleStart, ...],
) -> Report:
    how = structs.replace(how, anytime=stopped_early(run, {found.cell_id: found.blocks for found in digests}))
    gates = _gates(digests, how, run.gates)
    devices: dict[str, tuple[int, int]] = {}
    levels: dict[tuple[str, ...], tuple[int, int]] = {}
    for found in digests:
        for level, counted in found.counts.items():
            devices[level[0]] = _added(devices.get(level[0]), counted)
            levels[level] = _added(levels.get(level), counted)
    factors = [(dict(zip(FACTORS, level, strict=True)), failed, n) for level, (failed, n) in levels.items()]
    return Report(
        run=run,
        cells=tuple(
            cell_report(
                found,
                {name: gates[found.cell_id, name] for name in found.parts},
                structs.replace(how, margin=margin_of(run, found.cell_id, how.margin)),
            )
            for found in digests
        ),
        cycles=cycles,
        interrupted=interrupted,
        ranking=tuple(rank(devices)),
        factors=tuple(explain(factors)) if any(failed for _, failed, _ in factors) else (),
    )


def _added(known: tuple[int, int] | None, more: tuple[int, int]) -> tuple[int, int]:
    return (known[0] + more[0], known[1] + more[1]) if known else more


#: (cell, method) -> (divisor of the error, q-value)
Gates = Mapping[tuple[str, str], tuple[int, float]]


def _how(run: RunInfo, margin: float, baseline: str) -> How:
    values = run.values
    firmware_s, rate = (
        float(value) if isinstance(value := values.get(name), int | float) else None
        for name in ("firmware_seconds", "max_failure_rate")
    )
    rate = rate if rate is not None and 0 < rate < 1 else None
    return How(margin=margin, baseline=baseline, firmware_s=firmware_s, max_failure_rate=rate)


def has_worse_arm(report: Report) -> bool:
    """Whether any arm of any cell was shown to fail more often than its baseline."""
    contrasts = (contrast for cell in report.cells for contrast in cell.contrasts)
    return any(contrast.comparison.decision is Decision.WORSE for contrast in contrasts)


def margin_of(run: RunInfo, cell_id: str, margin: float) -> float:
    """The margin of one cell: its own if the matrix gave it one, else the run's."""
    own = run.cell_settings.get(cell_id, {}).get("margin")
    return float(own.value) if own is not None and isinstance(own.value, int | float) else margin


def stopped_early(run: RunInfo, blocks: Mapping[str, int]) -> bool:
    """Whether a run was free to end for what it saw: by its own rule, or because somebody ended it.

    `blocks` are those that each cell began. After an early end only intervals that hold at any time are honest.
    """

    def value(cell_id: str, name: str) -> object:
        setting = run.cell_settings.get(cell_id, {}).get(name) or run.settings.get(name)
        return setting.value if setting else None

    if any((value(cell_id, "stop") or "fixed") != "fixed" for cell_id in (*blocks, "")):
        return True
    planned = {cell_id: value(cell_id, "blocks") for cell_id in blocks}
    return any(isinstance(most := planned[cell_id], int) and 0 < begun < most for cell_id, begun in blocks.items())


def _gates(digests: Iterable[Digest], how: How, planned: int) -> Gates:
    """What Holm's method divides the error of each comparison by, and its q-value."""
    p_values = {
        (found.cell_id, name): p_value_of(
            found.rates[name], found.rates[how.baseline], parts.paired, anytime=how.anytime
        )
        for found in digests
        for name, parts in found.parts.items()
    }
    found = list(p_values.values())
    return dict(zip(p_values, zip(holm_divisors(found, planned), q_values(found), strict=True), strict=True))


def match(records: Iterable[EndT | CycleStart]) -> tuple[list[EndT], list[CycleStart]]:
    """The ends, and the starts that have none. A resumed run starts the same cycle again: only one start is met."""
    ends: list[EndT] = []
    last: CycleStart | None = None
    # dicts keep their order, so what is left over is in order of writing
    waiting: dict[tuple[str, int, str], list[CycleStart]] = {}
    for record in records:
        if isinstance(record, CycleStart):
            if last is not None:
                waiting.setdefault(_key(last), []).append(last)
            last = record
            continue
        ends.append(record)
        # A start is mostly followed by its own end.
        if last is not None and _key(last) == _key(record):
            last = None
        elif found := waiting.get(_key(record)):
            found.pop()
    if last is not None:
        waiting.setdefault(_key(last), []).append(last)
    return ends, [start for starts in waiting.values() for start in starts]


def _key(record: CycleStart | Row) -> tuple[str, int, str]:
    return record.cell_id, record.cycle, record.method


def as_end(start: CycleStart, run: RunInfo, cell: Cell | None) -> CycleEnd:
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
