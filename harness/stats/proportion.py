"""Failure rates of one arm, with their intervals. Invalid cycles say nothing of the guest and are never in `n`.

Exact limits are for gates and for claims ("at most x %"): they hold at every rate, at the price of being wide.
Wilson's are for showing: closer to 95 % on average, and below it at some rates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from msgspec import Struct
from scipy.special import betaincinv
from scipy.stats import norm

LEVEL = 0.95


class Rate(Struct, frozen=True, kw_only=True):
    """`failed` of `n` valid cycles. Rates and limits are shares from 0 to 1; with n = 0 they are unknown, None."""

    failed: int
    n: int
    rate: float | None
    low: float | None
    high: float | None
    #: confidence level of the two-sided intervals
    level: float
    #: Wilson's interval, to be shown
    wilson_low: float | None = None
    wilson_high: float | None = None


def rate(failed: int, n: int, level: float = LEVEL) -> Rate:
    """The failure rate with its exact two-sided interval.

    Source: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 26 (1934). It covers the true rate with at least `level`, for every rate and n.

    Raises ValueError unless 0 <= failed <= n.
    """
    _check(failed, n)
    if n == 0:
        return Rate(failed=0, n=0, rate=None, low=None, high=None, level=level)
    shown = wilson(failed, n, float(norm.ppf((1 + level) / 2)))
    return Rate(
        failed=failed,
        n=n,
        rate=failed / n,
        low=_lower(failed, n, (1 - level) / 2),
        high=_upper(failed, n, (1 - level) / 2),
        level=level,
        wilson_low=shown[0],
        wilson_high=shown[1],
    )


def rates_by_class(classes: Mapping[str, int], n: int, level: float = LEVEL) -> dict[str, Rate]:
    """The rate of each failure class among `n` valid cycles, from its number of failures.

    Each interval holds for its own class; that all of them hold at once is less sure.

    Raises ValueError unless every count is from 0 to n.
    """
    return {name: rate(failed, n, level) for name, failed in classes.items()}


def upper_bound(failed: int, n: int, level: float = LEVEL) -> float | None:
    """The rate that the true one does not exceed, exact and one-sided (Clopper-Pearson); None with n = 0.

    For no failure this is 1 - (1 - level)^(1/n), which at 95 % is nearly 3/n: the "rule of three" (Hanley and
    Lippman-Hand, JAMA 249, 1983).

    Raises ValueError unless 0 <= failed <= n.
    """
    _check(failed, n)
    if n == 0:
        return None
    return _upper(failed, n, 1 - level)


def wilson(failed: int, n: int, z: float) -> tuple[float, float]:
    """Wilson's score interval, `z` standard errors wide; for display and as a part of Newcombe's difference.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).

    Raises ValueError unless 0 <= failed <= n and n > 0.
    """
    _check(failed, n)
    if n == 0:
        raise ValueError("no interval from 0 cycles")
    share = failed / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    scale = 1 + z * z / n
    # At the ends the limit is exact; rounding must not push it past the rate itself.
    low = 0.0 if failed == 0 else (centre - half) / scale
    high = 1.0 if failed == n else (centre + half) / scale
    return low, high


def _lower(failed: int, n: int, tail: float) -> float:
    # Clopper-Pearson by quantiles of the beta distribution; 0 and n failures have one limit only.
    return float(betaincinv(failed, n - failed + 1, tail)) if failed else 0.0


def _upper(failed: int, n: int, tail: float) -> float:
    return float(betaincinv(failed + 1, n - failed, 1 - tail)) if failed < n else 1.0


def _check(failed: int, n: int) -> None:
    if not 0 <= failed <= n:
        raise ValueError(f"{failed} failures of {n} cycles cannot be")
