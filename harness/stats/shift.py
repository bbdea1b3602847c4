"""Whether times changed from one run to another, on a host that is never the same twice.

Two runs of the same thing differ: the host was busier, or warmer. So no time is held against another run's as it
stands, but as a ratio within its own run: to the baseline's time in the same block, or to the rest of its own cycle.
What slows the whole host hits both sides of such a ratio. Ratios that follow one another are averaged in batches
before they are counted as independent.
"""

from __future__ import annotations

import math
from enum import StrEnum

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import t as student

from harness.stats.proportion import LEVEL
from harness.stats.times import MEASURES, Times, paired

Floats = NDArray[np.float64]

#: ratios averaged before they count: the two blocks of a mirrored pair (ABBA), in which a drift cancels
BATCH = 2
#: fewer batches than this on either side compare nothing
MIN_BATCHES = 4
#: ratios further than this many standard deviations from the middle count as if they were that far
CLIP, MAD = 4.0, 1.4826
#: phases that make up a cycle; `firmware_s` and `loader_s` are within one of them
PARTS = ("shutdown_s", "handoff_s", "kernel_s", "initrd_s", "userspace_s")


class Against(StrEnum):
    """What a time is a ratio to."""

    BASELINE = "baseline"
    REST = "rest"
    NOTHING = "nothing"


class Shift(Struct, frozen=True, kw_only=True):
    """A measure of the second run as a multiple of the first's; above 1 it has become slower."""

    measure: str
    against: Against
    ratio: float
    low: float
    high: float
    level: float
    #: one-sided, of "it has not become slower"
    p_value: float
    batches: tuple[int, int]


def shifts(method: tuple[Times, Times], baseline: tuple[Times, Times] | None) -> list[Shift]:
    """Every comparison that two runs allow of one method; `baseline` is None for the baseline itself."""
    found = []
    for measure in MEASURES:
        if baseline is not None:
            ratios = [
                np.log(np.divide(*paired(ours, base, measure))) for ours, base in zip(method, baseline, strict=True)
            ]
            found.append(_shift(measure, Against.BASELINE, ratios[0], ratios[1], BATCH))
        if measure in PARTS:
            shares = [_against_rest(times, measure) for times in method]
            found.append(_shift(measure, Against.REST, shares[0], shares[1], BATCH))
        known = [np.log(_positive(times.of(measure))) for times in method]
        # Times as they stand remember the host's mood for long: batches as long as the number of them.
        longest = max(BATCH, math.isqrt(max(1, min(len(logs) for logs in known))))
        found.append(_shift(measure, Against.NOTHING, known[0], known[1], longest))
    return [shift for shift in found if shift is not None]


def _against_rest(times: Times, measure: str) -> Floats:
    blocks, part = times.by_block(measure)
    others, whole = times.by_block("total_s")
    _, here, there = np.intersect1d(blocks, others, assume_unique=True, return_indices=True)
    rest = whole[there] - part[here]
    return np.asarray(np.log(part[here][rest > 0] / rest[rest > 0]))


def _shift(measure: str, against: Against, first: Floats, second: Floats, batch: int) -> Shift | None:
    before, after = _batches(first, batch), _batches(second, batch)
    counts = (len(before), len(after))
    if min(counts) < MIN_BATCHES:
        return None
    change = float(after.mean() - before.mean())
    parts = [float(side.var(ddof=1)) / len(side) for side in (before, after)]
    error = math.sqrt(max(sum(parts), 1e-18))
    # Welch's degrees of freedom: the runs may be differently noisy.
    freedom = sum(parts) ** 2 / max(sum(part**2 / (n - 1) for part, n in zip(parts, counts, strict=True)), 1e-300)
    freedom = max(1.0, freedom)
    half = float(student.ppf((1 + LEVEL) / 2, freedom)) * error
    return Shift(
        measure=measure,
        against=against,
        ratio=math.exp(change),
        low=math.exp(change - half),
        high=math.exp(change + half),
        level=LEVEL,
        p_value=float(student.sf(change / error, freedom)),
        batches=counts,
    )


def _batches(logs: Floats, batch: int) -> Floats:
    """Means of `batch` values in a row, far ones clipped; what is left over at the end is not used."""
    if len(logs) < batch:
        return np.zeros(0)
    middle = float(np.median(logs))
    deviation = MAD * float(np.median(np.abs(logs - middle)))
    near = np.clip(logs, middle - CLIP * deviation, middle + CLIP * deviation) if deviation > 0 else logs
    whole = len(logs) // batch * batch
    return np.asarray(near[:whole].reshape(-1, batch).mean(axis=1))


def _positive(times: Floats) -> Floats:
    return times[times > 0]
