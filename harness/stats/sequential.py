"""Looking after every block and stopping as soon as the answer is known, honestly.

What the evidence against a hypothesis is worth is counted as in a fair game: a gambler starts with 1 and bets after
each block on the next one, at odds that are fair if the hypothesis is true. Then the chance that his capital ever
reaches 20 is at most 1/20, however often one looks and whatever one stops for (Ville's inequality). That capital is
the e-value. Sources: Shafer, "Testing by betting", JRSS A 184 (2021); Waudby-Smith and Ramdas, "Estimating means of
bounded random variables by betting", JRSS B 86 (2024), for bets on a bounded mean and the interval from them.

A block's payoff is the difference of its two arms: +1 if only the candidate failed, -1 if only the baseline did, else
0. Nothing is assumed but that under the hypothesis the *expected* difference of a block, given all before it, is at
most (or at least) some number: rates may drift, and blocks may depend on earlier ones, as long as both arms meet the
same conditions. The gambler spreads his capital over fixed stakes (`STAKES`), so that the e-value is a function of
three counts: the order of blocks does not matter, and nothing needs to be kept between looks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec import Struct

from harness.stats.proportion import LEVEL

#: share of what may be staked at most -> part of the capital that stakes so. Much goes to the boldest, which is best
#: where the baseline never fails; the cautious ones are for rates that both arms share.
STAKES: tuple[tuple[float, float], ...] = (
    *((1.0, 0.55), (0.9, 0.13), (0.75, 0.09), (0.55, 0.07)),
    *((0.35, 0.05), (0.2, 0.05), (0.1, 0.04), (0.05, 0.02)),
)
#: alternatives to a specified rate, as multiples of it -> part of the capital
LOWER_RATES: tuple[tuple[float, float], ...] = ((0.0, 0.5), (0.1, 0.14), (0.25, 0.14), (0.5, 0.14), (0.75, 0.08))
HIGHER_RATES: tuple[tuple[float, float], ...] = (
    *((1.25, 0.1), (1.6, 0.15), (2.5, 0.2), (5.0, 0.2), (12.0, 0.15), (40.0, 0.12), (200.0, 0.08)),
)
#: where the search for a limit ends: far below what any number of blocks can tell
PRECISION = 1e-7


class Paired(Struct, frozen=True, kw_only=True):
    """Blocks in which both arms had a valid cycle, by what came of them; and failures that have no such partner.

    A failure whose partner is invalid counts for whoever it speaks for, and never makes the other case: what makes a
    cycle invalid may well come of the failure before it.
    """

    #: only the candidate failed
    worse: int = 0
    #: both failed, or neither
    same: int = 0
    #: only the baseline failed
    better: int = 0
    #: the candidate failed, and the baseline had no valid cycle in that block; and the other way round
    worse_alone: int = 0
    better_alone: int = 0

    @property
    def blocks(self) -> int:
        """How many blocks with a valid cycle of both arms there are."""
        return self.worse + self.same + self.better

    def __add__(self, other: Paired) -> Paired:
        return self._with(other, 1)

    def __sub__(self, other: Paired) -> Paired:
        return self._with(other, -1)

    def _with(self, other: Paired, sign: int) -> Paired:
        return Paired(
            worse=self.worse + sign * other.worse,
            same=self.same + sign * other.same,
            better=self.better + sign * other.better,
            worse_alone=self.worse_alone + sign * other.worse_alone,
            better_alone=self.better_alone + sign * other.better_alone,
        )

    @property
    def turned(self) -> Paired:
        """The same, with the arms' names changed."""
        return Paired(
            worse=self.better,
            same=self.same,
            better=self.worse,
            worse_alone=self.better_alone,
            better_alone=self.worse_alone,
        )

    @property
    def difference(self) -> float | None:
        """Candidate's failure rate minus the baseline's over these blocks; None without any."""
        return (self.worse - self.better) / self.blocks if self.blocks else None


def count_pairs(candidate: Mapping[int, bool], baseline: Mapping[int, bool]) -> Paired:
    """Pair two arms by block. Each maps the blocks in which the arm had a valid cycle to whether that failed."""
    blocks = candidate.keys() | baseline.keys()
    return tally((candidate.get(block), baseline.get(block)) for block in blocks)


def tally(outcomes: Iterable[tuple[bool | None, bool | None]]) -> Paired:
    """Count blocks, each given as whether the candidate and whether the baseline failed; None: no valid cycle."""
    counts = Counter(outcomes)
    return Paired(
        worse=counts[True, False],
        same=counts[True, True] + counts[False, False],
        better=counts[False, True],
        worse_alone=counts[True, None],
        better_alone=counts[None, True],
    )


def log_e_above(paired: Paired, bound: float) -> float:
    """Logarithm of the e-value against "the difference is at most `bound`": high if it is above.

    Never decreases as `bound` falls, and is minus infinity where the counts rule a higher difference out.
    """
    if bound <= -1:
        return math.inf if paired.blocks else 0.0
    counts = (paired.worse, paired.same, paired.better + paired.better_alone)
    # The highest stake that cannot lose more than everything, in the worst case of a payoff of -1.
    unit = 1 / (1 + bound)
    return _mixture(
        (
            weight,
            sum(
                _log(1 + share * unit * (payoff - bound), count)
                for count, payoff in zip(counts, (1, 0, -1), strict=True)
            ),
        )
        for share, weight in STAKES
    )


def log_e_below(paired: Paired, bound: float) -> float:
    """Logarithm of the e-value against "the difference is at least `bound`": high if it is below."""
    return log_e_above(paired.turned, -bound)


def difference_limits(paired: Paired, level: float = LEVEL) -> tuple[float, float]:
    """Two-sided confidence sequence of the difference: with chance `level`, every interval ever shown covers it.

    Those differences that no e-value of 2 / (1 - level) speaks against.
    """
    tail = (1 - level) / 2
    return lower_limit(paired, 1 - tail), upper_limit(paired, 1 - tail)


def upper_limit(paired: Paired, level: float = LEVEL) -> float:
    """The difference that is "at most" true, one-sided, whenever one looks."""
    wanted = -math.log(1 - level)
    low, high = -1.0, 1.0
    while high - low > PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if log_e_below(paired, middle) >= wanted else (middle, high)
    return high


def lower_limit(paired: Paired, level: float = LEVEL) -> float:
    """The difference that is "at least" true, one-sided, whenever one looks."""
    return -upper_limit(paired.turned, level)


# ---- one arm against a specification ----------------------------------------------------------------------------


def log_e_rate_below(failed: int, n: int, specified: float) -> float:
    """Logarithm of the e-value against "an arm fails in `specified` of its cycles or more": high if it is below.

    A mixture of Wald's sequential probability ratios against lower rates: Wald, "Sequential tests of statistical
    hypotheses", Annals of Mathematical Statistics 16 (1945); Robbins, "Statistical methods related to the law of the
    iterated logarithm", Annals of Mathematical Statistics 41 (1970). `specified` lies between 0 and 1.
    """
    return _rate_mixture(LOWER_RATES, failed, n, specified)


def log_e_rate_above(failed: int, n: int, specified: float) -> float:
    """The same against "it fails in `specified` of its cycles or fewer": high if it is above."""
    return _rate_mixture(HIGHER_RATES, failed, n, specified)


def rate_upper_limit(failed: int, n: int, level: float = LEVEL) -> float:
    """The failure rate of one arm that is "at most" true, one-sided, whenever one looks.

    Raises ValueError for n < 1.
    """
    if n < 1:
        raise ValueError("no limit from 0 cycles")
    wanted, low, high = -math.log(1 - level), 0.0, 1.0
    while high - low > PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if log_e_rate_below(failed, n, middle) >= wanted else (middle, high)
    return high


def _rate_mixture(alternatives: Iterable[tuple[float, float]], failed: int, n: int, specified: float) -> float:
    if not 0 < specified < 1:
        raise ValueError(f"a specified rate lies between 0 and 1, not at {specified}")
    terms = []
    for multiple, weight in alternatives:
        rate = min(multiple * specified, 1.0)
        passed = _log((1 - rate) / (1 - specified), n - failed)
        terms.append((weight, _log(rate / specified, failed) + passed))
    return _mixture(terms)


# ---- arithmetic ---------------------------------------------------------------------------------------------------


def _log(factor: float, count: float) -> float:
    """Logarithm of factor ** count."""
    if count == 0:
        return 0.0
    return count * math.log(factor) if factor > 1e-15 else -math.inf


def _mixture(terms: Iterable[tuple[float, float]]) -> float:
    """Logarithm of the weighted sum, of terms given as (weight, logarithm)."""
    known = list(terms)
    highest = max(log for _, log in known)
    if math.isinf(highest):
        return highest
    return highest + math.log(sum(weight * math.exp(log - highest) for weight, log in known))
