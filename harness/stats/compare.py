"""Two arms, one question: does the candidate fail more often than the baseline?

Two claims are possible, each with its own evidence, and `undecided` is neither. `compare_arms` is for a number of
cycles that was fixed beforehand, `compare_blocks` for a run that was looked at on the way, and may have stopped.

Each claim may be wrong in `1 - level` of all cases, and any claim in no more than that: the two null hypotheses ("not
worse", "worse by the margin or more") exclude one another, so that whatever is true, only one claim can be false.
"""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np
from msgspec import Struct
from scipy.stats import norm

from harness.stats import sentences
from harness.stats.exact import p_beyond_margin, p_worse, score
from harness.stats.forecast import blocks_to_decide, blocks_to_decide_at_any_time
from harness.stats.proportion import LEVEL, Rate, wilson
from harness.stats.sequential import (
    Paired,
    difference_limits,
    log_e_above,
    log_e_below,
    lower_limit,
    upper_limit,
)

MARGIN = 0.01
#: where the search for the limit of a difference ends, as a share of its distance from the observed one
LIMIT_PRECISION = 4e-3


class Decision(StrEnum):
    """What the counts allow to be said."""

    WORSE = "worse"
    NO_WORSE = "no_worse"
    UNDECIDED = "undecided"


class Comparison(Struct, frozen=True, kw_only=True):
    """The candidate arm held against the baseline. Shares run from -1 to 1; unknown is None."""

    decision: Decision
    #: one sentence for people
    sentence: str
    #: one-sided, of "the candidate does not fail more often"; after an early stop 1 / `e_worse`
    p_value: float | None
    #: candidate's failure rate minus the baseline's, with its two-sided interval
    risk_difference: float | None
    low: float | None
    high: float | None
    level: float
    #: what the difference must stay below for `no_worse`
    margin: float
    #: roughly how many more blocks would decide, should the observed rates go on
    more_blocks: int | None
    #: whether the numbers hold however often the run was looked at, and whenever it stopped
    anytime: bool = False
    #: one-sided, of "the candidate is worse by `margin` or more"
    p_beyond_margin: float | None = None
    #: one-sided upper limit of the difference, at `level`
    at_most: float | None = None
    #: evidence for worse and for no worse, where `anytime`
    e_worse: float | None = None
    e_no_worse: float | None = None
    #: comparisons that share one error of calling an arm worse for nothing
    gates: int = 1


def compare_arms(
    candidate: Rate,
    baseline: Rate,
    *,
    names: tuple[str, str],
    margin: float = MARGIN,
    level: float = LEVEL,
    gates: int = 1,
) -> Comparison:
    """Decide between `worse`, `no_worse` and `undecided`; `names` are the two arms' for the sentence.

    worse: Boschloo's exact one-sided test has p < (1 - level) / gates. no_worse: Chan's exact test against a
    difference of `margin` has p < 1 - level. `low` and `high` are Newcombe's interval, for showing.
    A difference can be both, proven and tiny; then it is `worse`, and the sentence says by how much at most.
    """
    if candidate.n == 0 or baseline.n == 0:
        empty = [name for name, arm in zip(names, (candidate, baseline), strict=True) if arm.n == 0]
        return _nothing_known(empty, margin, level, gates)
    counted = (candidate.failed, candidate.n, baseline.failed, baseline.n)
    p_value, p_margin = p_worse(*counted), p_beyond_margin(*counted, margin)
    decision = _decide(p_value < (1 - level) / gates, p_margin < 1 - level)
    at_most = upper_difference(*counted, level=level, start=margin)
    low, high = newcombe(*counted, level)
    more = None
    if decision is Decision.WORSE:
        verdict = sentences.worse(names[0], p_value=p_value, at_most=at_most, level=level)
    elif decision is Decision.NO_WORSE:
        verdict = sentences.no_worse(names[0], at_most=at_most, margin=margin, level=level)
    else:
        more = blocks_to_decide(candidate, baseline, margin, level, gates)
        verdict = sentences.undecided(more)
        verdict += sentences.unadjusted(p_value, gates) if p_value < 1 - level else ""
    pair = ((candidate.failed, candidate.n), (baseline.failed, baseline.n))
    return Comparison(
        decision=decision,
        sentence=sentences.counts(names, *pair) + verdict,
        p_value=p_value,
        risk_difference=candidate.failed / candidate.n - baseline.failed / baseline.n,
        low=low,
        high=high,
        level=level,
        margin=margin,
        more_blocks=more,
        p_beyond_margin=p_margin,
        at_most=at_most,
        gates=gates,
    )


def compare_blocks(
    paired: Paired,
    candidate: Rate,
    baseline: Rate,
    *,
    names: tuple[str, str],
    margin: float = MARGIN,
    level: float = LEVEL,
    gates: int = 1,
) -> Comparison:
    """The same from the blocks that both arms completed, valid at any time and after any stop.

    worse: the e-value against "not worse" is `gates` / (1 - level) or more. no_worse: the one against "worse by
    `margin` or more" is 1 / (1 - level) or more. The interval is a confidence sequence. `candidate` and `baseline`
    are every valid cycle of the arms, and are only counted in the sentence.
    """
    if paired.blocks == 0:
        empty = [name for name, arm in zip(names, (candidate, baseline), strict=True) if arm.n == 0]
        return _nothing_known(empty or [f"{names[0]} and {names[1]} in the same block"], margin, level, gates)
    log_worse, log_no_worse = log_e_above(paired, 0.0), log_e_below(paired, margin)
    decision = decide_at_any_time(paired, margin=margin, level=level, gates=gates)
    low, high = difference_limits(paired, level)
    at_most, more = upper_limit(paired, level), None
    if decision is Decision.WORSE:
        verdict = sentences.worse_at_any_time(
            names[0],
            e_value=_exp(log_worse),
            at_least=lower_limit(paired, level),
            at_most=at_most,
            level=level,
        )
    elif decision is Decision.NO_WORSE:
        verdict = sentences.no_worse(names[0], at_most=min(at_most, margin), margin=margin, level=level)
    else:
        more = blocks_to_decide_at_any_time(paired, margin, level, gates)
        verdict = sentences.undecided(more)
    alone = max(candidate.n, baseline.n) - paired.blocks
    pair = ((candidate.failed, candidate.n), (baseline.failed, baseline.n))
    return Comparison(
        decision=decision,
        sentence=sentences.counts(names, *pair)
        + verdict
        + (sentences.left_out(alone, paired.worse_alone) if alone else ""),
        p_value=min(1.0, math.exp(-log_worse)) if log_worse > -math.inf else 1.0,
        risk_difference=paired.difference,
        low=low,
        high=high,
        level=level,
        margin=margin,
        more_blocks=more,
        anytime=True,
        at_most=at_most,
        e_worse=_exp(log_worse),
        e_no_worse=_exp(log_no_worse),
        gates=gates,
    )


def decide_at_any_time(paired: Paired, *, margin: float = MARGIN, level: float = LEVEL, gates: int = 1) -> Decision:
    """Whether the blocks so far settle the question; what a run that may stop early asks after each block."""
    wanted = -math.log(1 - level)
    worse = log_e_above(paired, 0.0) >= wanted + math.log(gates)
    return _decide(worse, log_e_below(paired, margin) >= wanted)


def newcombe(failed: int, n: int, baseline_failed: int, baseline_n: int, level: float = LEVEL) -> tuple[float, float]:
    """Two-sided interval of the difference of two failure rates, right at zeros too.

    The hybrid of two Wilson intervals, method 10 of Newcombe, "Interval estimation for the difference between
    independent proportions", Statistics in Medicine 17 (1998), 873-890.
    """
    z = float(norm.ppf((1 + level) / 2))
    ours, theirs = failed / n, baseline_failed / baseline_n
    low, high = wilson(failed, n, z)
    baseline_low, baseline_high = wilson(baseline_failed, baseline_n, z)
    down = math.hypot(ours - low, baseline_high - theirs)
    up = math.hypot(high - ours, theirs - baseline_low)
    return ours - theirs - down, ours - theirs + up


def upper_difference(
    failed: int, n: int, baseline_failed: int, baseline_n: int, *, level: float = LEVEL, start: float = MARGIN
) -> float:
    """The difference of failure rates that is "at most" true, one-sided: Chan's exact test turned round.

    On the same side of `start` as the test at `start` says, so that a limit never contradicts the decision beside it.
    """

    def too_much(difference: float) -> bool:
        return p_beyond_margin(failed, n, baseline_failed, baseline_n, difference) < 1 - level

    observed = failed / n - baseline_failed / baseline_n
    low, high = observed, 1.0
    counts = (np.array([float(failed)]), n, np.array([float(baseline_failed)]), baseline_n)
    # How far away the limit is by the score test's normal approximation.
    near, far = observed, 1.0
    while far - near > 1e-9:
        middle = (near + far) / 2
        near, far = (near, middle) if score(*counts, middle)[0] <= -norm.ppf(level) else (middle, far)
    guess = far
    for tried in (start, guess - 0.02 * (guess - observed), guess + 0.04 * (guess - observed), 2 * guess - observed):
        if low < tried < high:
            low, high = (low, tried) if too_much(tried) else (tried, high)
    while high - low > LIMIT_PRECISION * max(high - observed, 1e-6):
        middle = (low + high) / 2
        low, high = (low, middle) if too_much(middle) else (middle, high)
    return high


def _decide(is_worse: bool, is_no_worse: bool) -> Decision:
    if is_worse:
        return Decision.WORSE
    return Decision.NO_WORSE if is_no_worse else Decision.UNDECIDED


def _nothing_known(empty: list[str], margin: float, level: float, gates: int) -> Comparison:
    return Comparison(
        decision=Decision.UNDECIDED,
        sentence=sentences.nothing_known(empty),
        p_value=None,
        risk_difference=None,
        low=None,
        high=None,
        level=level,
        margin=margin,
        more_blocks=None,
        gates=gates,
    )


def _exp(log: float) -> float:
    return math.exp(min(log, 700.0))
