"""What builds up: does the n-th kexec in a row fail more often, or take longer, than the first?

Advice, not gates: a soak asks these questions of every cell, and one in twenty answers yes by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import CensoredData, chi2, logrank, norm, theilslopes

from harness.stats.proportion import LEVEL

Floats = NDArray[np.float64]

#: below this many failures or passes the normal distribution is not trusted, and failures are dealt out at random
FEW = 30
#: random deals; a p-value near 5 % has a standard error of 0.3 %
DEALS = 5000
SEED = 20260101
#: fewer values than this have no slope and no change point
MIN_VALUES = 8
#: more values than this are thinned out evenly for a slope: every pair of them has one
MAX_SLOPE = 600


class DepthTrend(Struct, frozen=True, kw_only=True):
    """Failures by chain depth. A small `p_value` says that they become more frequent with depth."""

    #: depth -> (failed, cycles)
    table: dict[int, tuple[int, int]]
    #: one-sided; None where all cycles have one depth, or none or all failed
    p_value: float | None


def depth_trend(depths: Sequence[int], failed: Sequence[bool]) -> DepthTrend:
    """The Cochran-Armitage test for a trend of failures with chain depth, one-sided.

    `depths` are the kexecs in a row before each cycle. Few failures are dealt out among the cycles at random
    (`DEALS` times, always the same): the exact conditional test, to the error of that. Sources: Cochran, "Some methods
    for strengthening the common chi-squared tests", Biometrics 10 (1954); Armitage, Biometrics 11 (1955).
    """
    scores, hits = np.asarray(depths, dtype=np.float64), np.asarray(failed, dtype=bool)
    table = {
        int(depth): (int(hits[scores == depth].sum()), int((scores == depth).sum())) for depth in np.unique(scores)
    }
    total, n = int(hits.sum()), len(hits)
    if len(table) < 2 or total in {0, n}:
        return DepthTrend(table=table, p_value=None)
    observed = float(scores[hits].sum())
    if min(total, n - total) >= FEW:
        mean = total * float(scores.mean())
        variance = total * (n - total) / (n * (n - 1)) * float(((scores - scores.mean()) ** 2).sum())
        return DepthTrend(table=table, p_value=float(norm.sf((observed - mean) / math.sqrt(variance))))
    few = min(total, n - total)
    every, counts = np.unique(scores, return_counts=True)
    deals = np.random.default_rng(SEED).multivariate_hypergeometric(counts, few, size=DEALS) @ every
    as_extreme = deals >= observed if few == total else scores.sum() - deals >= observed
    return DepthTrend(table=table, p_value=float((as_extreme.sum() + 1) / (DEALS + 1)))


class FirstFailure(Struct, frozen=True, kw_only=True):
    """Cycles of two arms up to each machine's first failure, held against one another."""

    p_value: float | None
    #: mean cycles between failures is at least this (one-sided, 95 %), per arm
    at_least: tuple[float, float]


def first_failures(ours: Sequence[tuple[int, bool]], theirs: Sequence[tuple[int, bool]]) -> FirstFailure:
    """The log-rank test of the cycles that machines lived through until an arm's first failure, two-sided.

    Each machine gives (cycles, whether the last of them failed); one that ended for another reason is censored.
    Source: Mantel, "Evaluation of survival data", Cancer Chemotherapy Reports 50 (1966). It needs no failure in both.
    """
    bounds = (_cycles_between_failures(ours), _cycles_between_failures(theirs))
    if not ours or not theirs or not any(hit for _, hit in (*ours, *theirs)):
        return FirstFailure(p_value=None, at_least=bounds)
    p_value = float(logrank(_censored(ours), _censored(theirs)).pvalue)
    return FirstFailure(p_value=p_value if math.isfinite(p_value) else None, at_least=bounds)


def _censored(lives: Sequence[tuple[int, bool]]) -> CensoredData:
    ended, cut_off = ([cycles for cycles, hit in lives if hit is wanted] for wanted in (True, False))
    return CensoredData(uncensored=ended, right=cut_off)


def _cycles_between_failures(lives: Sequence[tuple[int, bool]]) -> float:
    # 2 N / chi2(0.95, 2 f + 2): MIL-HDBK-338B, section 8.3, for a test that ends after N cycles with f failures.
    cycles, failures = sum(cycles for cycles, _ in lives), sum(hit for _, hit in lives)
    return float(2 * cycles / chi2.ppf(LEVEL, 2 * failures + 2))


class Slope(Struct, frozen=True, kw_only=True):
    """Change per step, with its interval at `level`; None for too few values or a single place."""

    per_step: float | None
    low: float | None
    high: float | None
    level: float
    n: int

    @property
    def is_shown(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def slope(steps: Sequence[float] | Floats, values: Sequence[float] | Floats, level: float = LEVEL) -> Slope:
    """The Theil-Sen slope of values (seconds, bytes, ...) over steps (kexecs in a row, cycles): a median of slopes.

    Source: Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63 (1968). Values that remember
    one another make the interval too narrow; blocks of a machine's life do, a little.
    """
    xs, ys = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
    known = np.isfinite(xs) & np.isfinite(ys)
    xs, ys = xs[known], ys[known]
    if len(xs) < MIN_VALUES or len(np.unique(xs)) < 2:
        return Slope(per_step=None, low=None, high=None, level=level, n=len(xs))
    if np.ptp(ys) == 0:
        return Slope(per_step=0.0, low=0.0, high=0.0, level=level, n=len(ys))
    if len(xs) > MAX_SLOPE:
        chosen = np.linspace(0, len(xs) - 1, MAX_SLOPE).astype(np.int64)
        xs, ys = xs[chosen], ys[chosen]
    with np.errstate(invalid="ignore"):  # so many equal values that the interval has no width to be known
        found = theilslopes(ys, xs, alpha=level)
    low, high = (float(limit) if math.isfinite(limit) else None for limit in (found.low_slope, found.high_slope))
    return Slope(per_step=float(found.slope), low=low, high=high, level=level, n=len(ys))


class ChangePoint(Struct, frozen=True, kw_only=True):
    """Where a series most likely changed: `at` is the position of the first value after it."""

    at: int
    before: float
    after: float
    p_value: float


def change_point(values: Sequence[float] | Floats, alpha: float = 0.01) -> ChangePoint | None:
    """The place at which values in their order of time change their level, if that is shown; else None.

    Pettitt, "A non-parametric approach to the change-point problem", Applied Statistics 28 (1979), with ties. A slow
    drift is a change of level to it, too.
    """
    known = np.asarray(values, dtype=np.float64)
    n = len(known)
    if n < 2 * MIN_VALUES:
        return None
    ranks = _ranks(known)
    spread = float(((ranks - ranks.mean()) ** 2).sum())
    if spread == 0:
        return None
    walk = np.cumsum(ranks - ranks.mean())[:-1]
    at = int(np.argmax(np.abs(walk))) + 1
    # Without a change the walk is a Brownian bridge, whose largest excursion has this tail (Kolmogorov's).
    excursion = float(np.abs(walk).max()) / math.sqrt(spread * n / (n - 1))
    p_value = min(1.0, 2 * math.exp(-2 * excursion**2))
    if p_value >= alpha:
        return None
    before, after = float(np.median(known[:at])), float(np.median(known[at:]))
    return ChangePoint(at=at, before=before, after=after, p_value=p_value)


def _ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)
