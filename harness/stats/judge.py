"""From the cycles of a run to the comparison of two arms, fixed or stopped early, and one arm's specification."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct
from scipy.stats import binom

from harness.model import Outcome
from harness.stats import sentences
from harness.stats.compare import MARGIN, Comparison, compare_arms, compare_blocks
from harness.stats.exact import p_worse
from harness.stats.proportion import LEVEL, Rate, rate, upper_bound
from harness.stats.sequential import (
    Paired,
    count_pairs,
    log_e_above,
    log_e_rate_above,
    log_e_rate_below,
    rate_upper_limit,
)


class Cycle(Protocol):
    """What counts of a finished cycle."""

    @property
    def block(self) -> int: ...

    @property
    def outcome(self) -> Outcome: ...


class Specified(Struct, frozen=True, kw_only=True):
    """One arm held against a failure rate that it must stay below."""

    #: whether it does; None is undecided
    meets: bool | None
    sentence: str


def arm_rate(cycles: Iterable[Cycle]) -> Rate:
    """The failure rate over the valid cycles."""
    outcomes = [cycle.outcome for cycle in cycles]
    failed = outcomes.count(Outcome.FAIL)
    return rate(failed, failed + outcomes.count(Outcome.PASS))


def pair_blocks(candidate: Iterable[Cycle], baseline: Iterable[Cycle]) -> Paired:
    """What came of the blocks, as `count_pairs`. An arm's last valid cycle of a block counts."""
    return count_pairs(_failures(candidate), _failures(baseline))


def compare_cycles(
    candidate: Sequence[Cycle],
    baseline: Sequence[Cycle],
    *,
    names: tuple[str, str],
    margin: float = MARGIN,
    gates: int = 1,
    anytime: bool = False,
) -> Comparison:
    """Compare two arms of one campaign; `anytime` if it may have stopped for what it saw."""
    arms, paired = (arm_rate(candidate), arm_rate(baseline)), pair_blocks(candidate, baseline)
    return compare_counted(arms, paired, names=names, margin=margin, gates=gates, anytime=anytime)


def compare_counted(
    arms: tuple[Rate, Rate],
    paired: Paired,
    *,
    names: tuple[str, str],
    margin: float = MARGIN,
    gates: int = 1,
    anytime: bool = False,
) -> Comparison:
    """The same from what has been counted already."""
    if anytime:
        return compare_blocks(paired, *arms, names=names, margin=margin, gates=gates)
    return compare_arms(*arms, names=names, margin=margin, gates=gates)


def p_value_of(candidate: Rate, baseline: Rate, paired: Paired, *, anytime: bool) -> float:
    """The p-value that `compare_counted` decides "worse" by; 1 where nothing is known."""
    if anytime:
        return min(1.0, math.exp(-max(0.0, log_e_above(paired, 0.0))))
    known = candidate.n and baseline.n
    return p_worse(candidate.failed, candidate.n, baseline.failed, baseline.n) if known else 1.0


def hold_against(found: Rate, name: str, specified: float, *, anytime: bool, level: float = LEVEL) -> Specified:
    """Whether an arm fails in less than `specified` of its cycles, a share: exact, or valid at any time.

    Raises ValueError unless `specified` lies between 0 and 1.
    """
    failed, n = found.failed, found.n
    if n == 0:
        return Specified(meets=None, sentence=sentences.nothing_known([name]))
    if anytime:
        wanted = -math.log(1 - level)
        below = log_e_rate_below(failed, n, specified) >= wanted
        above = log_e_rate_above(failed, n, specified) >= wanted
        at_most = rate_upper_limit(failed, n, level)
    else:
        at_most = upper_bound(failed, n, level) or 0.0
        below = at_most <= specified
        above = float(binom.sf(failed - 1, n, specified)) < 1 - level
    meets = True if below else False if above else None
    text = sentences.specification(name, failed, n, specified, meets=meets, at_most=at_most)
    return Specified(meets=meets, sentence=text)


def _failures(cycles: Iterable[Cycle]) -> dict[int, bool]:
    valid = (cycle for cycle in cycles if cycle.outcome is not Outcome.INVALID)
    return {cycle.block: cycle.outcome is Outcome.FAIL for cycle in valid}
