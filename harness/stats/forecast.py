"""How many more blocks would settle a comparison if the observed rates went on. Forecasts, not promises."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.stats import norm

from harness.stats.exact import p_beyond_margin, p_worse, score
from harness.stats.proportion import Rate
from harness.stats.sentences import MAX_FORECAST
from harness.stats.sequential import STAKES, Paired

#: step of the search, as a factor on the number of blocks; what it finds is refined to `FINE`
STEP, FINE = 1.1, 0.01


def blocks_to_decide(candidate: Rate, baseline: Rate, margin: float, level: float, gates: int = 1) -> int | None:
    """How many more blocks a fixed design would take; None if more than `MAX_FORECAST`. Both arms have cycles.

    The counts are scaled up and the exact tests asked again, from where the normal approximation expects an answer.
    """
    n = max(candidate.n, baseline.n)
    ours, theirs = candidate.failed / candidate.n, baseline.failed / baseline.n
    wanted_worse, wanted_no_worse = -norm.ppf((1 - level) / gates), norm.ppf(1 - level)

    def roughly(cycles: int) -> bool:
        counts = (np.array([ours * cycles]), cycles, np.array([theirs * cycles]), cycles)
        return bool(score(*counts, 0.0)[0] >= wanted_worse or score(*counts, margin)[0] <= wanted_no_worse)

    def exactly(cycles: int) -> bool:
        counts = (round(ours * cycles), cycles, round(theirs * cycles), cycles)
        return p_worse(*counts) < (1 - level) / gates or p_beyond_margin(*counts, margin) < 1 - level

    start = _first(roughly, n, 1)
    if start is None:
        return None
    found = _first(exactly, max(n, math.floor(0.9 * start)), FINE * start)
    return None if found is None else found - min(candidate.n, baseline.n)


def blocks_to_decide_at_any_time(paired: Paired, margin: float, level: float, gates: int = 1) -> int | None:
    """The same for a run that stops as soon as it can; None if more than `MAX_FORECAST`. There is a block."""
    n = paired.blocks

    def decided(blocks: int) -> bool:
        factor = blocks / n
        worse, better = paired.worse * factor, paired.better * factor
        wanted = -math.log(1 - level)
        above = _log_e(worse, blocks - worse - better, better, 0.0)
        return above >= wanted + math.log(gates) or _log_e(better, blocks - worse - better, worse, -margin) >= wanted

    found = _first(decided, n, 1)
    return None if found is None else found - n


def _log_e(worse: float, same: float, better: float, bound: float) -> float:
    """`sequential.log_e_above` for counts that need not be whole."""
    logs = []
    for share, weight in STAKES:
        stake, total = share / (1 + bound), math.log(weight)
        for count, payoff in ((worse, 1), (same, 0), (better, -1)):
            factor = 1 + stake * (payoff - bound)
            total += (count * math.log(factor) if factor > 1e-15 else -math.inf) if count else 0.0
        logs.append(total)
    return float(np.logaddexp.reduce(logs))


def _first(decided: Callable[[int], bool], start: int, fine: float) -> int | None:
    """The smallest number from `start` on that decides, to `fine`; None if it is not below `MAX_FORECAST`."""
    tried, blocks = start, start + 1
    while not decided(blocks):
        tried, blocks = blocks, math.ceil(blocks * STEP)
        if blocks > MAX_FORECAST:
            return None
    while blocks - tried > max(1.0, fine):
        middle = (tried + blocks) // 2
        tried, blocks = (tried, middle) if decided(middle) else (middle, blocks)
    return blocks
