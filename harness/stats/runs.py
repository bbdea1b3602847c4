"""Two runs held against one another: rates, times, and failure classes that are new or gone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from harness.model import SETUP, Cell, CycleEnd, CycleRow, Outcome, RunInfo
from harness.stats import sentences
from harness.stats.compare import MARGIN, Comparison, Decision, compare_arms
from harness.stats.exact import p_worse
from harness.stats.judge import arm_rate
from harness.stats.multiplicity import holm_adjusted, holm_divisors
from harness.stats.shift import Against, Shift, shifts
from harness.stats.times import Times

ALPHA = 0.05
#: waiting shares further apart than this say that the host was not in the same state
SAME_LOAD = 0.1
#: facts of a host that must agree
HOST_FACTS = ("machine", "cpus")
#: settings that make another machine
MACHINE_SETTINGS = ("memory", "smp")

#: (what cells have in common, method)
Key = tuple[str, str]
#: a cycle as far as numbers need it
Row = CycleEnd | CycleRow
ByKey = Mapping[Key, Sequence[Row]]


class Kind(StrEnum):
    """What a finding is about."""

    RATE = "rate"
    TIME = "time"
    NEW_CLASS = "new_class"
    GONE_CLASS = "gone_class"
    ONLY_IN_ONE = "only_in_one"
    NO_VALID = "no_valid"


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that two runs say of a method in a cell."""

    kind: Kind
    cell: str
    method: str
    sentence: str
    #: whether it is a reason to fail
    fails: bool
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    #: adjusted for all times that were compared (Holm)
    p_value: float | None = None

    @property
    def is_of_both(self) -> bool:
        """Whether both runs have part in it."""
        return self.kind is not Kind.ONLY_IN_ONE


class Side(Struct, frozen=True):
    """One run: its description, and its cycles."""

    run: RunInfo
    cycles: Sequence[Row]


def mismatches(before: Side, after: Side, across: str | None) -> list[str]:
    """What makes the runs no fair comparison, one sentence each; what they are compared `across` may differ."""
    a, b = before.run, after.run
    found = []
    if a.accel != b.accel:
        found.append(f"other accelerator: {a.accel.value} and {b.accel.value}")
    found += [
        f"other host: {fact} is {a.host.get(fact)} and {b.host.get(fact)}"
        for fact in HOST_FACTS
        if a.host.get(fact) != b.host.get(fact)
    ]
    for name in MACHINE_SETTINGS:
        ours, theirs = a.values.get(name), b.values.get(name)
        if ours != theirs:
            found.append(f"other machine: {name} is {ours} and {theirs}")
    if _injected(a) != _injected(b):
        found.append(f"other faults injected on purpose: {_injected(a)} and {_injected(b)}")
    if across != "image":
        found += [
            f"other image: {name} was built anew ({a.images[name][:12]} and {b.images[name][:12]})"
            for name in sorted(a.images.keys() & b.images.keys())
            if a.images[name] != b.images[name]
        ]
    return found


def _injected(run: RunInfo) -> str:
    fault = run.values.get("fault")
    return "none" if fault is None else f"{fault} into {run.values.get('fault_rate')}"


def remarks(before: Side, after: Side) -> list[str]:
    """What a reader should know of a comparison that is allowed."""
    found = []
    if before.run.qemu_version != after.run.qemu_version:
        found.append(f"QEMU {before.run.qemu_version} and {after.run.qemu_version}")
    for name, side in (("A", before), ("B", after)):
        stop = side.run.settings.get("stop")
        if stop is not None and stop.value != "fixed":
            found.append(f"{name} ended for what it saw (STOP={stop.value}): its failure rate may be extreme by chance")
    return found


def compare_runs(
    before: Side,
    after: Side,
    *,
    across: str | None = None,
    baseline: str = "cold",
    margin: float = MARGIN,
    max_slowdown: float = 0.05,
    new_classes_fail: bool = True,
) -> list[Finding]:
    """Hold run `after` (B) against `before` (A), cell by cell and method by method.

    Cells are matched by everything but `across`, a dimension. B fails where it has a worse failure rate (exact test,
    Holm over all), a time that is shown to have become slower (Holm over all) by more than `max_slowdown`, a share,
    or a failure class that A has not. Raises ValueError where `across` leaves two cells of a run as one.
    """
    ours, theirs = _by_key(before, across), _by_key(after, across)
    common = sorted(ours.keys() & theirs.keys())
    found = [
        Finding(kind=Kind.ONLY_IN_ONE, cell=cell, method=method, fails=False, sentence=f"{method} ran only in {where}")
        for where, side in (("A", ours.keys() - theirs.keys()), ("B", theirs.keys() - ours.keys()))
        for cell, method in sorted(side)
    ]
    found += _not_valid(common, ours, theirs)
    found += _rates(common, ours, theirs, margin)
    found += _times(common, ours, theirs, baseline=baseline, max_slowdown=max_slowdown)
    for key in common:
        found += _classes(key, ours[key], theirs[key], new_classes_fail=new_classes_fail)
    return found


def _not_valid(common: Sequence[Key], ours: ByKey, theirs: ByKey) -> Iterable[Finding]:
    """Arms of which B has nothing valid any more, where A has: no word that B is as good."""
    for cell, method in common:
        before, after = arm_rate(ours[cell, method]), arm_rate(theirs[cell, method])
        if before.n and not after.n:
            cycles = len(theirs[cell, method])
            sentence = f"{method} has no valid cycle in B ({cycles} invalid), and {before.n} in A"
            yield Finding(kind=Kind.NO_VALID, cell=cell, method=method, fails=True, sentence=sentence)


def _by_key(side: Side, across: str | None) -> ByKey:
    cells = {cell.cell_id: cell for cell in side.run.cells}
    found: dict[Key, list[Row]] = defaultdict(list)
    owners: dict[Key, str] = {}
    for cycle in side.cycles:
        if cycle.method == SETUP:
            continue
        key = (_name(cells.get(cycle.cell_id), cycle.cell_id, across), cycle.method)
        if owners.setdefault(key, cycle.cell_id) != cycle.cell_id:
            raise ValueError(f"without its {across}, {cycle.cell_id} cannot be told from {owners[key]}")
        found[key].append(cycle)
    return found


def _name(cell: Cell | None, cell_id: str, across: str | None) -> str:
    if cell is None or across is None:
        return cell_id
    values = {name: str(getattr(cell, name)) for name in cell.__struct_fields__}
    return "+".join("*" if name == across else value for name, value in values.items())


def _rates(common: Sequence[Key], ours: ByKey, theirs: ByKey, margin: float) -> list[Finding]:
    arms = [(arm_rate(theirs[key]), arm_rate(ours[key])) for key in common]
    p_values = [p_worse(b.failed, b.n, a.failed, a.n) if a.n and b.n else 1.0 for b, a in arms]
    found = []
    for (cell, method), (b, a), gates in zip(common, arms, holm_divisors(p_values), strict=True):
        names = (f"{method} in B", f"in A {method}")
        comparison: Comparison = compare_arms(b, a, names=names, margin=margin, gates=gates)
        found.append(
            Finding(
                kind=Kind.RATE,
                cell=cell,
                method=method,
                sentence=comparison.sentence,
                fails=comparison.decision is Decision.WORSE,
                low=comparison.low,
                high=comparison.high,
                p_value=comparison.p_value,
            )
        )
    return found


def _times(common: Sequence[Key], ours: ByKey, theirs: ByKey, *, baseline: str, max_slowdown: float) -> list[Finding]:
    times = {key: (Times(ours[key]), Times(theirs[key])) for key in common}
    known: list[tuple[Key, Shift, bool]] = []
    for key in common:
        base = times.get((key[0], baseline)) if key[1] != baseline else None
        same_load = _same_load(times[key])
        for shift in shifts(times[key], base):
            decides = shift.against is Against.BASELINE or (shift.against is Against.REST and same_load)
            known.append((key, shift, decides))
    # Times as they stand, and shares of a host in another state, decide nothing and take nothing from the others.
    deciding = [number for number, (_, _, decides) in enumerate(known) if decides]
    adjusted = dict(zip(deciding, holm_adjusted([known[number][1].p_value for number in deciding]), strict=True))
    found = []
    for number, ((cell, method), shift, decides) in enumerate(known):
        p_value = adjusted.get(number, shift.p_value)
        slower = decides and p_value < ALPHA and shift.ratio > 1 + max_slowdown
        if not slower and (shift.measure != "total_s" or shift.against is Against.REST):
            continue
        text = sentences.shifted(
            method,
            shift.measure,
            against={Against.BASELINE: baseline, Against.REST: "rest", Against.NOTHING: None}[shift.against],
            numbers=(shift.ratio, shift.low, shift.high, p_value),
            slower=slower,
            tolerance=max_slowdown,
        )
        found.append(
            Finding(
                kind=Kind.TIME,
                cell=cell,
                method=method,
                sentence=text,
                fails=slower,
                ratio=shift.ratio,
                low=shift.low,
                high=shift.high,
                p_value=p_value,
            )
        )
    return found


def _same_load(times: tuple[Times, Times]) -> bool:
    before, after = (side.waiting_share() for side in times)
    return before is None or after is None or abs(before - after) < SAME_LOAD


def _classes(key: Key, ours: Iterable[Row], theirs: Iterable[Row], *, new_classes_fail: bool) -> list[Finding]:
    before, after = list(ours), list(theirs)
    known, seen = _count_classes(before), _count_classes(after)
    n_before, n_after = (sum(cycle.outcome is not Outcome.INVALID for cycle in side) for side in (before, after))
    found = []
    for name in sorted(seen.keys() - known.keys()):
        p_value = p_worse(seen[name], n_after, 0, n_before) if n_before and n_after else 1.0
        text = sentences.new_class(key[1], name, (seen[name], n_after), n_before, p_value)
        found.append(
            Finding(
                kind=Kind.NEW_CLASS, cell=key[0], method=key[1], sentence=text, fails=new_classes_fail, p_value=p_value
            )
        )
    for name in sorted(known.keys() - seen.keys()):
        text = sentences.gone_class(key[1], name, (known[name], n_before), n_after)
        found.append(Finding(kind=Kind.GONE_CLASS, cell=key[0], method=key[1], sentence=text, fails=False))
    return found


def _count_classes(cycles: Iterable[Row]) -> Counter[str]:
    return Counter(str(cycle.failure_class) for cycle in cycles if cycle.outcome is Outcome.FAIL)
