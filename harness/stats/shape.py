"""What a median hides: times far off the rest, and times in two groups. Flagged and shown, never dropped."""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]

#: fewer times than this have no shape
MIN_TIMES = 10
#: standard errors from the middle, at least; Iglewicz and Hoaglin, "How to detect and handle outliers" (1993)
FAR = 3.5
#: chance that any of the times of a normal sample is called far off
FALSE_ALARM = 0.01
#: standard deviation of a normal sample as a multiple of its median absolute deviation
MAD = 1.4826
#: part of the spread that two groups explain in a normal sample, however large (2 / pi) ...
NORMAL_SHARE = 2 / math.pi
#: ... and, over that, in 99 of 100 samples of n times, as a multiple of 1 / sqrt(n); simulated for 8 to 1,000 times
SHARE_SLACK = 0.88
#: a uniform sample has 0.75, and is not two groups
MIN_SHARE = 0.8
#: a group is at least this part of the times, and 3 of them
MIN_GROUP = 0.1


class Groups(Struct, frozen=True, kw_only=True):
    """Two groups of times: the median of each (seconds), and the share of times in the slower one."""

    fast: float
    slow: float
    slow_share: float


class Shape(Struct, frozen=True, kw_only=True):
    """How times (seconds) are spread."""

    n: int
    #: times far off the others, rising; they are in every number
    outliers: tuple[float, ...] = ()
    groups: Groups | None = None


def shape(times: Floats) -> Shape:
    """Look for outliers and for two groups, on a logarithmic scale. Times are positive; order does not matter.

    Outliers: further from the median than `FAR` standard deviations as the median absolute deviation tells them, or
    more in a large sample, so that a normal sample has any in one case of a hundred. Two groups: they explain more of
    the spread than in 99 of 100 normal samples of this size (Otsu's criterion), and more than in a uniform one.
    """
    known = np.sort(times[times > 0])
    n = len(known)
    if n < MIN_TIMES:
        return Shape(n=n)
    logs = np.log(known)
    groups = _groups(logs)
    if groups is not None:
        return Shape(n=n, groups=groups)
    distance = np.abs(logs - np.median(logs))
    deviation = MAD * float(np.median(distance))
    limit = max(FAR, float(norm.isf(FALSE_ALARM / 2 / n))) * max(deviation, 1e-9)
    return Shape(n=n, outliers=tuple(float(time) for time in known[distance > limit]))


def _groups(logs: Floats) -> Groups | None:
    n = len(logs)
    total = float(((logs - logs.mean()) ** 2).sum())
    smallest = max(3, math.ceil(MIN_GROUP * n))
    if total <= 1e-12 or n < 2 * smallest:
        return None
    sizes = np.arange(smallest, n - smallest + 1)
    sums = np.cumsum(logs)[sizes - 1]
    between = (sums - sizes * logs.mean()) ** 2 * (1 / sizes + 1 / (n - sizes))
    best = int(np.argmax(between))
    if between[best] / total <= max(MIN_SHARE, NORMAL_SHARE + SHARE_SLACK / math.sqrt(n)):
        return None
    size = int(sizes[best])
    fast, slow = (float(np.exp(np.median(part))) for part in (logs[:size], logs[size:]))
    return Groups(fast=fast, slow=slow, slow_share=1 - size / n)
