"""The Wilcoxon signed-rank test turned round: Walsh averages, and which of them bound the centre.

Source for all of it: Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", 3rd ed., sections 3.1-3.3.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

#: up to this many pairs the null distribution is exact; beyond it the normal one is off by less than one rank
MAX_EXACT = 200
#: where the search for a Walsh average ends; below the precision of a double near 1
TOLERANCE = 2.0**-54
#: the same for many values, as a part of their range
NEAR = 1e-8
#: how many of many averages may lie between the one sought and the one given: far fewer than chance moves it by
CLOSE = 1e-6
#: quantiles that a search among many values starts from
FEW = 101


@functools.cache
def null_cdf(n: int) -> NDArray[np.float64]:
    """P(W <= w) for w = 0 ... n(n+1)/2 under the null, W being the sum of the positive ranks of n differences.

    Each rank is in the sum or not, with probability 1/2; the exact distribution is their convolution.
    """
    density = np.zeros(n * (n + 1) // 2 + 1)
    density[0] = 1.0
    for rank in range(1, n + 1):
        with_rank = np.zeros_like(density)
        with_rank[rank:] = density[:-rank]
        density = (density + with_rank) / 2
    return np.cumsum(density)


def lower_rank(n: int, level: float) -> int:
    """The 1-based position c of the sorted Walsh averages so that [c-th, c-th from the top] covers with `level`.

    c is the largest with 1 - 2 P(W <= c - 1) >= level; 0 if even the whole range (c = 1) does not reach it.
    """
    tail = (1 - level) / 2
    if n <= MAX_EXACT:
        # A hair of tolerance: 0.5 ** n must count as reached where it equals the tail.
        return int(np.searchsorted(null_cdf(n), tail * (1 + 1e-9), side="right"))
    mean, deviation = n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    return math.floor(mean + float(norm.ppf(tail)) * deviation - 0.5) + 1


def widest_level(n: int) -> float:
    """The confidence level of the whole range of Walsh averages of n differences: 1 - 2^(1 - n)."""
    return 1.0 - 2.0 ** (1 - n)


def walsh_average(values: NDArray[np.float64], position: int) -> float:
    """The Walsh average at `position` (1-based) of all (x_i + x_j) / 2 with i <= j, in rising order.

    `values` must be sorted. The n(n+1)/2 averages are never written down: those up to a threshold are counted in
    O(n log n), and the interval that holds it is halved until it is `TOLERANCE` wide, or its ends are neighbours.
    """
    low, high = float(values[0]), float(values[-1])
    if _count_up_to(values, low) >= position:
        return low
    while high - low > TOLERANCE:
        middle = low + (high - low) / 2
        if not low < middle < high:
            break
        if _count_up_to(values, middle) >= position:
            high = middle
        else:
            low = middle
    return high


def walsh_averages_near(values: NDArray[np.float64], positions: Sequence[int]) -> list[float]:
    """The Walsh averages at `positions`, or close above: for many values, where one is as good as the next.

    The count of averages up to a threshold rises almost smoothly there, so that interpolating in it finds a position
    in a few steps; what one search learns narrows the next.
    """
    every = len(values) * (len(values) + 1) // 2
    # Of many equal values the smallest may be the answer itself: the search starts below it.
    known = {float(np.nextafter(values[0], -np.inf)): 0, float(values[-1]): every}
    # Where the averages of a few quantiles put the positions.
    few = values[np.linspace(0, len(values) - 1, FEW).astype(np.int64)]
    rough = np.sort(((few[:, None] + few[None, :]) / 2)[np.triu_indices(FEW)])
    for position in positions:
        for aside in (-0.003, 0.003):
            near = float(rough[round(min(max(position / every + aside, 0.0), 1.0) * (len(rough) - 1))])
            known[near] = _count_up_to(values, near)
    width = NEAR * max(float(values[-1] - values[0]), 1e-300)
    found = []
    for position in positions:
        low = max(at for at, count in known.items() if count < position)
        high = min(at for at, count in known.items() if count >= position)
        steps = 0
        while high - low > width and known[high] - position > CLOSE * every:
            share = (position - 0.5 - known[low]) / (known[high] - known[low])
            # Every third step halves, lest a jump in the counts hold the search up.
            share = 0.5 if steps % 3 == 2 else min(max(share, 1e-3), 1 - 1e-3)
            middle = low + (high - low) * share
            if not low < middle < high:
                break
            known[middle] = _count_up_to(values, middle)
            low, high = (low, middle) if known[middle] >= position else (middle, high)
            steps += 1
        found.append(high)
    return found


def centre_and_limits(
    values: NDArray[np.float64], level: float
) -> tuple[float, float | None, float | None, float | None]:
    """Hodges-Lehmann estimate of sorted values, its interval, and the level that this reaches.

    Few values keep the level below the one asked for: then it is the widest interval there is. One has none.
    """
    n = len(values)
    if n == 1:
        return float(values[0]), None, None, None
    position = lower_rank(n, level)
    reached = level if position else widest_level(n)
    position = max(position, 1)
    averages = n * (n + 1) // 2
    if n > MAX_EXACT:
        centre, low, high = walsh_averages_near(values, ((averages + 1) // 2, position, averages + 1 - position))
        return centre, low, high, reached
    low, high = walsh_average(values, position), walsh_average(values, averages + 1 - position)
    return pseudo_median(values), low, high, reached


def _count_up_to(values: NDArray[np.float64], threshold: float) -> int:
    """How many Walsh averages do not exceed `threshold`."""
    ordered_pairs = int(np.searchsorted(values, 2 * threshold - values, side="right").sum())
    with_themselves = int(np.count_nonzero(values <= threshold))
    return (ordered_pairs + with_themselves) // 2


def pseudo_median(values: NDArray[np.float64]) -> float:
    """The Hodges-Lehmann estimate of the centre: the median of the Walsh averages. `values` must be sorted."""
    averages = len(values) * (len(values) + 1) // 2
    lower = walsh_average(values, (averages + 1) // 2)
    upper = walsh_average(values, averages // 2 + 1)
    return lower + (upper - lower) / 2
