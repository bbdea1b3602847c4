"""Before a run: how many blocks it takes to see something, and what a number of blocks cannot see."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import binom, norm

from harness.stats.exact import p_beyond_margin, p_worse
from harness.stats.proportion import LEVEL
from harness.stats.sequential import STAKES, log_e_rate_below

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: (failed, n, baseline failed, baseline n) -> whether the claim would be made
Claim = Callable[[int, int, int, int], bool]

#: runs that are simulated to say how long one takes; with 2,000 the mean has a standard error of about 2 %
RUNS = 2000
#: blocks that are simulated at a time
CHUNK = 250
#: no plan is longer
MAX_BLOCKS = 200_000
#: likeliest counts of a rate are summed over; what is left out has this chance on either side
NEGLIGIBLE = 1e-7


class Stopping(Struct, frozen=True, kw_only=True):
    """How runs end that stop as soon as they can: shares of runs, and blocks."""

    worse: float
    no_worse: float
    undecided: float
    #: of all runs, those at the cap included
    mean: float
    median: float
    p90: float
    #: standard error of `mean`, from the number of runs simulated
    error: float
    cap: int


def clean_cycles(rate: float, level: float = LEVEL) -> int:
    """Cycles without a failure after which a failure rate of `rate` or more is ruled out (299 for 1 %, 95 %).

    As many also show at least one failure of that rate with probability `level`. From 1 - (1 - rate)^n: the
    "success run theorem".
    """
    return math.ceil(math.log(1 - level) / math.log(1 - rate) - 1e-9)


def clean_cycles_when_watched(rate: float, level: float = LEVEL) -> int:
    """The same if one looks after every cycle and stops at the first that rules it out, as STOP=auto does."""
    wanted = -math.log(1 - level)
    return next(n for n in range(1, MAX_BLOCKS) if log_e_rate_below(0, n, rate) >= wanted)


def blocks_to_show_worse(
    rate: float, baseline_rate: float, *, power: float, level: float = LEVEL, gates: int = 1
) -> int | None:
    """Blocks after which Boschloo's test shows with probability `power` that an arm failing at `rate` is worse."""

    def claim(failed: int, n: int, others: int, baseline_n: int) -> bool:
        return p_worse(failed, n, others, baseline_n) < (1 - level) / gates

    return _blocks(claim, rate, baseline_rate, power, _guess(rate, baseline_rate, 0.0, power, level), rising=True)


def blocks_to_show_no_worse(rate: float, margin: float, *, power: float, level: float = LEVEL) -> int | None:
    """Blocks after which Chan's test shows with probability `power` that equal arms, failing at `rate`, are so."""

    def claim(failed: int, n: int, others: int, baseline_n: int) -> bool:
        return p_beyond_margin(failed, n, others, baseline_n, margin) < 1 - level

    return _blocks(claim, rate, rate, power, _guess(rate, rate, margin, power, level), rising=False)


def chance_of(claim: Claim, n: int, rates: tuple[float, float], *, rising: bool) -> float:
    """The exact chance of a claim after n blocks, at true failure rates of candidate and baseline.

    With `rising` more failures of the candidate only help the claim, without it they only harm it.
    """
    ours = binom(n, rates[0])
    others = np.arange(int(binom.ppf(NEGLIGIBLE, n, rates[1])), int(binom.isf(NEGLIGIBLE, n, rates[1])) + 1)
    bound, total = 0 if rising else -1, 0.0
    for count in others:
        if rising:
            while bound <= n and not claim(bound, n, int(count), n):
                bound += 1
            chance = float(ours.sf(bound - 1))
        else:
            while bound < n and claim(bound + 1, n, int(count), n):
                bound += 1
            chance = float(ours.cdf(bound))
        total += float(binom.pmf(count, n, rates[1])) * chance
    return total


def simulate_stopping(
    rate: float,
    baseline_rate: float,
    *,
    margin: float,
    cap: int,
    rng: np.random.Generator,
    level: float = LEVEL,
    gates: int = 1,
    runs: int = RUNS,
) -> Stopping:
    """How runs end that look after every block, by simulating `runs` of them."""
    wanted = -math.log(1 - level)
    worse, better, done = np.zeros(runs, np.int64), np.zeros(runs, np.int64), np.zeros(runs, np.int64)
    end = np.full(runs, cap, dtype=np.int64)
    how = np.zeros(runs, dtype=np.int64)
    running = np.arange(runs)
    for start in range(0, cap, CHUNK):
        blocks = min(CHUNK, cap - start)
        ours = rng.random((len(running), blocks)) < rate
        theirs = rng.random((len(running), blocks)) < baseline_rate
        above = worse[running, None] + np.cumsum(ours & ~theirs, axis=1)
        below = better[running, None] + np.cumsum(theirs & ~ours, axis=1)
        same = np.arange(start + 1, start + blocks + 1) - above - below
        is_worse = log_e(above, same, below, 0.0) >= wanted + math.log(gates)
        is_no_worse = log_e(below, same, above, -margin) >= wanted
        decided = is_worse | is_no_worse
        stops = decided.any(axis=1)
        at = decided.argmax(axis=1)
        who = running[stops]
        end[who], done[who] = start + 1 + at[stops], 1
        how[who] = np.where(is_worse[stops, at[stops]], 1, 2)
        worse[running], better[running] = above[:, -1], below[:, -1]
        running = running[~stops]
        if not len(running):
            break
    return Stopping(
        worse=float((how == 1).mean()),
        no_worse=float((how == 2).mean()),
        undecided=float((how == 0).mean()),
        mean=float(end.mean()),
        median=float(np.median(end)),
        p90=float(np.quantile(end, 0.9)),
        error=float(end.std() / math.sqrt(runs)),
        cap=cap,
    )


def log_e(worse: Ints, same: Ints, better: Ints, bound: float) -> Floats:
    """`sequential.log_e_above` for whole arrays of counts."""
    shares, weights = np.array(STAKES).T
    total = np.zeros((*worse.shape, len(shares)))
    with np.errstate(divide="ignore"):
        for counts, payoff in ((worse, 1), (same, 0), (better, -1)):
            factors = np.maximum(1 + shares / (1 + bound) * (payoff - bound), 0.0)
            # Far below anything that matters, and unlike minus infinity it may be multiplied by 0.
            total += counts[..., None] * np.where(factors > 1e-15, np.log(factors), -1e6)
    highest = total.max(axis=-1)
    return np.asarray(highest + np.log((weights * np.exp(total - highest[..., None])).sum(axis=-1)))


def _blocks(claim: Claim, rate: float, baseline_rate: float, power: float, guess: int, *, rising: bool) -> int | None:
    """The number of blocks from which on the claim is made with probability `power`, to one in a hundred."""

    @functools.cache
    def enough(n: int) -> bool:
        return chance_of(claim, n, (rate, baseline_rate), rising=rising) >= power

    low, high = 0, max(guess, 2)
    while not enough(high):
        low, high = high, math.ceil(1.15 * high)
        if high > MAX_BLOCKS:
            return None
    while low == 0 and high > 2 and enough(smaller := math.floor(0.87 * high)):
        high = smaller
    low = max(low, math.floor(0.87 * high))
    while high - low > max(1, high // 200):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _guess(rate: float, baseline_rate: float, margin: float, power: float, level: float) -> int:
    """Where the normal approximation puts the answer."""
    distance = abs(rate - baseline_rate - margin)
    variance = rate * (1 - rate) + baseline_rate * (1 - baseline_rate)
    least = -math.log(1 - level) / max(margin, distance)
    return math.ceil(max(least, (norm.ppf(level) + norm.ppf(power)) ** 2 * variance / distance**2))
