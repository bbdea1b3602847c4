"""Times of cycles that passed: quantiles and paired ratios, each with what the sample can support.

Failures are never among the times: a summary of times is conditional on success.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import binom

from harness.stats.proportion import LEVEL
from harness.stats.signed_rank import centre_and_limits

Floats = NDArray[np.float64]


class Quantile(Struct, frozen=True, kw_only=True):
    """A quantile of `n` times in seconds. What the sample is too small for is None, and `reason` says so."""

    q: float
    n: int
    value: float | None
    low: float | None
    high: float | None
    #: confidence level of `low` to `high`, each limit missing by at most half of the rest
    level: float
    reason: str | None = None


def quantile(times: Sequence[float] | NDArray[np.float64], q: float, level: float = LEVEL) -> Quantile:
    """The `q` quantile of times (seconds) with a distribution-free interval.

    The estimate interpolates between order statistics (definition 7 of Hyndman and Fan, "Sample quantiles in
    statistical packages", The American Statistician 50, 1996). It is None below n = 1/(1-q) for q above a half:
    there it would be little more than the largest value (p95: 20 times). The limits are order statistics too,
    from the binomial distribution (David and Nagaraja, "Order Statistics", 3rd ed., section 7.1); a limit that no
    order statistic supports is None.

    Raises ValueError unless 0 < q < 1.
    """
    if not 0 < q < 1:
        raise ValueError(f"a quantile lies between 0 and 1, not at {q}")
    n = len(times)
    needed = math.ceil(round(1 / (1 - q), 9)) if q > 0.5 else 1
    if n < needed:
        short = f"n too small: {n} of {needed}"
        return Quantile(q=q, n=n, value=None, low=None, high=None, level=level, reason=short)
    ordered = np.sort(np.asarray(times, dtype=np.float64))
    first, last = _order_statistics(n, q, level)
    low = float(ordered[first - 1]) if first >= 1 else None
    high = float(ordered[last - 1]) if last <= n else None
    missing = [name for name, limit in (("lower", low), ("upper", high)) if limit is None]
    reason = f"n too small for {' and '.join(missing)} limit" if missing else None
    value = float(np.quantile(ordered, q))
    return Quantile(q=q, n=n, value=value, low=low, high=high, level=level, reason=reason)


@functools.lru_cache(maxsize=256)
def _order_statistics(n: int, q: float, level: float) -> tuple[int, int]:
    """Largest r with P(Bin(n, q) <= r - 1) <= tail, smallest s with P(Bin(n, q) >= s) <= tail; both 1-based."""
    tail = (1 - level) / 2
    cdf = binom.cdf(np.arange(n + 1), n, q)
    return int(np.searchsorted(cdf, tail, side="right")), int(np.searchsorted(cdf, 1 - tail, side="left")) + 1


class Ratio(Struct, frozen=True, kw_only=True):
    """How long the first of each pair takes as a multiple of the second; below 1 the first is faster."""

    ratio: float | None
    low: float | None
    high: float | None
    #: confidence level of `low` to `high`, which few pairs keep below what was asked for; None without interval
    level: float | None
    n_pairs: int


def paired_ratio(pairs: Sequence[tuple[float, float]], level: float = LEVEL) -> Ratio:
    """The typical ratio of paired times (seconds), e.g. (kexec, cold) of the same block.

    The estimate is the exponential of the Hodges-Lehmann estimate over the pairs' log ratios; the interval
    inverts the exact Wilcoxon signed-rank test (Hollander, Wolfe and Chicken, "Nonparametric Statistical
    Methods", 3rd ed., section 3.3). It assumes that the log ratios spread alike to both sides of their centre.
    Below 6 pairs 95 % is out of reach: then it is the widest interval there is, at its real level (0.75 for
    3 pairs). One pair has no interval.

    Raises ValueError for a time that is not a positive number: it has no ratio.
    """
    ours = np.array([pair[0] for pair in pairs], dtype=np.float64)
    theirs = np.array([pair[1] for pair in pairs], dtype=np.float64)
    return ratio_of(ours, theirs, level)


def ratio_of(ours: Floats, theirs: Floats, level: float = LEVEL) -> Ratio:
    """`paired_ratio` of two columns. Raises ValueError for a time that is not a positive number."""
    if not (np.isfinite(ours) & np.isfinite(theirs) & (ours > 0) & (theirs > 0)).all():
        raise ValueError("ratios need positive times")
    n = len(ours)
    if n == 0:
        return Ratio(ratio=None, low=None, high=None, level=None, n_pairs=0)
    centre, low, high, reached = centre_and_limits(np.sort(np.log(ours / theirs)), level)
    if low is None or high is None:
        return Ratio(ratio=math.exp(centre), low=None, high=None, level=None, n_pairs=n)
    return Ratio(ratio=math.exp(centre), low=math.exp(low), high=math.exp(high), level=reached, n_pairs=n)


class Saving(Struct, frozen=True, kw_only=True):
    """Seconds that the first of each pair takes less than the second; negative where it takes longer."""

    seconds: float | None
    low: float | None
    high: float | None
    level: float | None
    n_pairs: int


def saving_of(ours: Floats, theirs: Floats, level: float = LEVEL) -> Saving:
    """The typical difference of paired times (seconds): the same estimate and interval as of the ratio, unscaled.

    Raises ValueError for a time that is not a number.
    """
    if not (np.isfinite(ours) & np.isfinite(theirs)).all():
        raise ValueError("differences need times")
    n = len(ours)
    if n == 0:
        return Saving(seconds=None, low=None, high=None, level=None, n_pairs=0)
    centre, low, high, reached = centre_and_limits(np.sort(theirs - ours), level)
    return Saving(seconds=centre, low=low, high=high, level=reached, n_pairs=n)
