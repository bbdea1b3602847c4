"""Faults at random: reboots of this self-test drawn again, spoilt ones with a set probability, and the rate estimated.

It costs no boot: each draw is a trial that has been seen, taken for what its verdict said. Were one kind of failure
taken for a success, or a clean reboot for a failure, the estimate would move away from the probability.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from msgspec import Struct

from harness.model import Outcome
from harness.selftest.trial import CLEAN, Trial
from harness.stats.proportion import Rate, rate

#: probabilities that a reboot is spoilt
PROBABILITIES = (0.01, 0.05, 0.2)
DRAWS = 2000
#: An interval at this level misses its probability once in a thousand times.
LEVEL = 0.999


class Chance(Struct, frozen=True, kw_only=True):
    """A probability, and what came out for it."""

    probability: float
    rate: Rate

    @property
    def covered(self) -> bool:
        """Whether the interval holds the probability."""
        low, high = self.rate.low, self.rate.high
        return low is not None and high is not None and low <= self.probability <= high


def chances(trials: Sequence[Trial], seed: int) -> list[Chance]:
    """What is estimated for each of `PROBABILITIES`; nothing without both clean and spoilt trials.

    Spoilt are those trials whose fault must give a failure of the guest.
    """
    clean = [trial for trial in trials if trial.fault == CLEAN]
    spoilt = [trial for trial in trials if trial.expected and trial.expected_outcome is Outcome.FAIL]
    if not clean or not spoilt:
        return []
    rng = random.Random(seed)
    found = []
    for probability in PROBABILITIES:
        drawn = [rng.choice(spoilt if rng.random() < probability else clean) for _ in range(DRAWS)]
        valid = [trial for trial in drawn if trial.verdict.outcome is not Outcome.INVALID]
        failed = sum(trial.verdict.outcome is Outcome.FAIL for trial in valid)
        found.append(Chance(probability=probability, rate=rate(failed, len(valid), LEVEL)))
    return found


def line(chance: Chance) -> str:
    """One line for people."""
    low, high = chance.rate.low or 0.0, chance.rate.high or 0.0
    mark = "ok   " if chance.covered else "WRONG"
    found = f"{chance.rate.failed} of {chance.rate.n} drawn reboots failed: [{low:.2%}, {high:.2%}], {LEVEL:.1%}"
    return f"{mark} faults with probability {chance.probability:.0%}: {found}"
