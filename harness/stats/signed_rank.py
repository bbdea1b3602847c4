"""The Wilcoxon signed-rank test turned round: Walsh averages, and which of them bound the centre.

Source for all of it: Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", 3rd ed., sections 3.1-3.3.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

#: up to this many pairs the null distribution is exact; beyond it the normal one is off by less than one rank
MAX_EXACT = 200
#: where the search for a Walsh average ends; below the precision of a double near 1
TOLERANCE = 2.0**-54


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
