"""Many questions at once: who looks at a hundred cells finds something in five of them by chance.

Gates use Holm's method: the chance that any of them calls an arm worse for nothing stays at 5 %. It is for "worse"
alone: that a campaign passes takes every comparison, which needs no correction. Lists for triage use Benjamini and
Hochberg's: of those listed, no more than 5 % on average are there by chance.
"""

from __future__ import annotations

from collections.abc import Sequence


def holm_divisors(p_values: Sequence[float], planned: int = 1, alpha: float = 0.05) -> list[int]:
    """By how much alpha is divided for each p-value, so that `p < alpha / divisor` is Holm's decision.

    The smallest is held against alpha / m, the next against alpha / (m - 1), and so on until one is not significant;
    it and all above it share that divisor. `planned` comparisons count even where fewer are known.
    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian J. of Statistics 6 (1979).
    """
    m = max(len(p_values), planned)
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    divisors = [m] * len(p_values)
    for done, position in enumerate(order):
        for other in order[done:]:
            divisors[other] = m - done
        if p_values[position] >= alpha / (m - done):
            break
    return divisors


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: below alpha exactly where Holm's method says so."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [1.0] * len(p_values), 0.0
    for done, position in enumerate(order):
        largest = max(largest, min(1.0, p_values[position] * (len(order) - done)))
        adjusted[position] = largest
    return adjusted


def q_values(p_values: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's adjusted p-values: list those below 0.05, and 5 % of the list are chance on average.

    Source: Benjamini and Hochberg, "Controlling the false discovery rate", JRSS B 57 (1995). Tests may depend on one
    another positively, as cells of one kernel do.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__, reverse=True)
    adjusted, smallest = [1.0] * len(p_values), 1.0
    for done, position in enumerate(order):
        smallest = min(smallest, p_values[position] * len(order) / (len(order) - done))
        adjusted[position] = smallest
    return adjusted
