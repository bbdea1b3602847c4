"""Exact tests of two failure rates, at any size: one against zero difference, one against a margin.

Both are unconditional: a p-value is the largest chance, over every failure rate that the null hypothesis allows, of
counts that speak against it at least as strongly. Where the arms' common rate cannot be is left out, as Berger and
Boos, "P values maximized over a confidence set for the nuisance parameter", JASA 89 (1994), 1012-1016, show how:
the chance `GAMMA` of that being wrong is added to the p-value. What is left is so narrow that sums over a few
hundred counts are the whole of it, for 10,000 cycles an arm too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc, betaincinv, gammaln
from scipy.stats import binom

#: chance that the rate lies outside the confidence set that is searched; part of every p-value
GAMMA = 1e-6
#: counts whose chance is below this, on either side, are left out of sums
NEGLIGIBLE = 1e-11
#: statistics closer than this (relative) are equal: rounding must not take the observed counts out of the sum
TIE = 1e-9
GRID, REFINED = 49, 17

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def p_worse(failed: int, n: int, baseline_failed: int, baseline_n: int, gamma: float = GAMMA) -> float:
    """One-sided p-value of "the candidate does not fail more often": Boschloo's test.

    The statistic is Fisher's p-value, so the test has never less power than Fisher's, and mostly more: at equal n,
    4 failures against none are enough for p < 0.05 where Fisher's takes 5. Source: Boschloo, "Raised conditional
    level of significance for the 2x2-table when testing the equality of two probabilities", Statistica
    Neerlandica 24 (1970). With `gamma` 0 every rate is searched, as in its first form.
    """
    if failed * baseline_n <= baseline_failed * n:
        return 1.0
    total = np.array([failed + baseline_failed])
    first, tails = _fisher(total, n, baseline_n)
    if failed - int(first[0]) >= tails.shape[1]:
        return gamma  # further out than a double can tell from impossible
    observed = float(tails[0, failed - int(first[0])])
    low, high = _confidence_set(int(total[0]), n + baseline_n, gamma)
    others, totals = _support(low, high, baseline_n), _support(low, high, n + baseline_n)
    first, tails = _fisher(totals, n, baseline_n)
    critical = first + (tails > observed * (1 + TIE)).sum(axis=1)
    # The critical count rises by one at most when the total does, so the baseline's share of the total never falls.
    position = np.searchsorted(totals - critical, others)
    found = totals[np.minimum(position, len(totals) - 1)] - others
    needed = np.where(position < len(totals), np.maximum(found, 0), n + 1)

    def chance(rates: Floats) -> Floats:
        tails = np.where(needed > n, 0.0, bdtrc(np.maximum(needed - 1.0, 0.0), n, rates[:, None]))
        # bdtrc has no count below 0, where the chance of more is 1
        return _sum(np.where(needed <= 0, 1.0, tails), others, baseline_n, rates)

    return _largest(chance, low, high, gamma)


def _fisher(totals: Counts, n: int, baseline_n: int) -> tuple[Counts, Floats]:
    """For each total of failures the chance that `first`, `first` + 1, ... of them or more are the candidate's.

    The hypergeometric distribution from 6 standard deviations below its mean to 9 above; what lies beyond is nothing
    at the precision of a double.
    """
    every = n + baseline_n
    mean = totals * (n / every)
    deviation = np.sqrt(mean * (baseline_n / every) * (every - totals) / max(every - 1, 1))
    lowest, highest = np.maximum(0, totals - baseline_n), np.minimum(n, totals)
    first = np.clip(np.floor(mean - 6 * deviation - 3).astype(np.int64), lowest, highest)
    width = int((np.clip(np.ceil(mean + 9 * deviation + 12), lowest, highest) - first).max()) + 1
    counts = first[:, None] + np.arange(width)
    start = _log_choose(n, first) + _log_choose(baseline_n, totals - first) - _log_choose(every, totals)
    rest = totals[:, None] - counts
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.log(rest * (n - counts) / ((counts + 1) * (baseline_n - rest + 1)))
    steps = np.where(counts < highest[:, None], steps, -np.inf)[:, :-1]
    logs = start[:, None] + np.concatenate([np.zeros((len(totals), 1)), np.cumsum(steps, axis=1)], axis=1)
    tails = np.cumsum(np.exp(logs)[:, ::-1], axis=1)[:, ::-1]
    return first, np.asarray(tails)


def _log_choose(n: int, k: Counts) -> Floats:
    return np.asarray(gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(n - k + 1.0))


def p_beyond_margin(failed: int, n: int, baseline_failed: int, baseline_n: int, margin: float) -> float:
    """One-sided p-value of "the candidate fails more often, by `margin` or more"; a small one speaks for no worse.

    Exact for the difference of rates, ordered by the score statistic: Chan, "Exact tests of equivalence and efficacy
    with a non-zero lower bound for comparative studies", Statistics in Medicine 17 (1998), 1403-1413. With no
    failure in n cycles of either arm it is (1 - margin)^n, as long as that is no less than a few in a hundred.
    """
    if not -1 < margin < 1:
        return 0.0 if margin >= 1 else 1.0
    observed = float(score(np.array([float(failed)]), n, np.array([float(baseline_failed)]), baseline_n, margin)[0])
    if observed >= 0:
        return 1.0
    low, high = _confidence_set(baseline_failed, baseline_n, GAMMA)
    low, high = max(low, 0.0, -margin), min(high, 1.0, 1.0 - margin)
    if low >= high:
        low = high = min(max(0.0, -margin, low), 1.0 - max(margin, 0.0))
    others = _support(low, high, baseline_n)

    def beyond(counts: Counts) -> NDArray[np.bool_]:
        found = score(counts.astype(np.float64), n, others.astype(np.float64), baseline_n, margin)
        return found > observed + TIE * max(1.0, abs(observed))

    last = _first(beyond, others, n) - 1

    def chance(rates: Floats) -> Floats:
        heads = np.where(last < 0, 0.0, bdtr(np.maximum(last, 0).astype(np.float64), n, rates[:, None] + margin))
        return _sum(heads, others, baseline_n, rates)

    return _largest(chance, low, high, GAMMA)


def score(failed: Floats, n: int, baseline_failed: Floats, baseline_n: int, margin: float) -> Floats:
    """Standard errors between the observed difference of rates and `margin`.

    The error is that of the likeliest rates which differ by exactly `margin`, in closed form: Farrington and Manning,
    "Test statistics and sample size formulae for comparative binomial trials", Statistics in Medicine 9 (1990),
    1447-1454, appendix.
    """
    ours, theirs, theta = failed / n, baseline_failed / baseline_n, baseline_n / n
    a = 1 + theta
    b = -(1 + theta + ours + theta * theirs + margin * (theta + 2))
    c = margin**2 + margin * (2 * ours + theta + 1) + ours + theta * theirs
    d = -ours * margin * (1 + margin)
    v = b**3 / (3 * a) ** 3 - b * c / (6 * a**2) + d / (2 * a)
    u = np.where(v < 0, -1.0, 1.0) * np.sqrt(np.maximum(b**2 / (3 * a) ** 2 - c / (3 * a), 0.0))
    cosine = np.divide(v, u**3, out=np.ones_like(v), where=np.abs(u) > 1e-100)
    w = (np.pi + np.arccos(np.clip(cosine, -1.0, 1.0))) / 3
    first = np.clip(2 * u * np.cos(w) - b / (3 * a), max(margin, 0.0), min(1.0, 1.0 + margin))
    second = first - margin
    error = np.sqrt(first * (1 - first) / n + second * (1 - second) / baseline_n)
    difference = ours - theirs - margin
    # Without any error the observed difference is the margin itself, or infinitely far from it.
    far = np.where(np.abs(difference) < TIE, 0.0, np.copysign(np.inf, difference))
    return np.where(error > 0, difference / np.where(error > 0, error, 1.0), far)


def _confidence_set(failed: int, n: int, gamma: float) -> tuple[float, float]:
    """Clopper-Pearson limits at 1 - gamma."""
    low = float(betaincinv(failed, n - failed + 1, gamma / 2)) if failed and gamma else 0.0
    high = float(betaincinv(failed + 1, n - failed, 1 - gamma / 2)) if failed < n and gamma else 1.0
    return low, high


def _support(low: float, high: float, n: int) -> Counts:
    """The counts that are not negligible at any rate from `low` to `high`."""
    first = int(binom.ppf(NEGLIGIBLE, n, low)) if low > 0 else 0
    last = int(binom.isf(NEGLIGIBLE, n, high)) if high < 1 else n
    return np.arange(max(first, 0), min(last, n) + 1, dtype=np.int64)


def _first(holds: Callable[[Counts], NDArray[np.bool_]], others: Counts, n: int) -> Counts:
    """For each count of the baseline the smallest count of the candidate for which `holds`; n + 1 if there is none.

    `holds` must go from false to true once as the candidate's count rises.
    """
    low = np.full(len(others), -1, dtype=np.int64)
    high = np.full(len(others), n + 1, dtype=np.int64)
    while (high - low > 1).any():
        middle = (low + high) // 2
        found = holds(np.clip(middle, 0, n)) & (middle <= n)
        low, high = np.where(found, low, middle), np.where(found, middle, high)
    return high


def _sum(tails: Floats, others: Counts, baseline_n: int, rates: Floats) -> Floats:
    weights = binom.pmf(others, baseline_n, rates[:, None])
    return np.asarray((weights * tails).sum(axis=1))


def _largest(chance: Callable[[Floats], Floats], low: float, high: float, gamma: float) -> float:
    """The largest chance over rates from `low` to `high`, as a p-value."""
    # On this scale a count's standard deviation is the same everywhere, and so is the detail of the curve.
    ends = np.arcsin(np.sqrt([low, high]))
    largest, step = 0.0, (ends[1] - ends[0]) / (GRID - 1)
    points = np.linspace(ends[0], ends[1], GRID)
    for _ in range(3):
        found = chance(np.sin(points) ** 2)
        best = int(np.argmax(found))
        largest = max(largest, float(found[best]))
        points = np.linspace(max(points[best] - step, ends[0]), min(points[best] + step, ends[1]), REFINED)
        step *= 2 / (REFINED - 1)
    return min(1.0, largest + gamma)
