"""Which device sets fail most, and which factor explains failures. For triage: never a gate.

A device set with 1 failure of 10 is not ten times worse than one with 1 of 100: it has hardly been tried. The ranking
draws every rate towards what is usual, the more the less is known of it (empirical Bayes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.special import betainc, betaln, xlogy
from scipy.stats import hypergeom

from harness.stats.multiplicity import q_values
from harness.stats.proportion import LEVEL

Floats = NDArray[np.float64]

#: strengths of what is usual, in cycles, from "rates differ wildly" to "all are one"
STRENGTHS = np.geomspace(2.0, 10_000.0, 25)
#: failures are dealt out at random this often to hold a factor against chance
DEALS = 2000
SEED = 20260101


class Ranked(Struct, frozen=True, kw_only=True):
    """One name with its failures, and its rate drawn towards the usual one; rates are shares."""

    name: str
    failed: int
    n: int
    rate: float
    #: the rate lies here with probability `LEVEL`, if the names are a sample of one kind
    low: float
    high: float
    #: probability that its rate is above the usual one
    above: float
    #: Benjamini-Hochberg over all names, of "its rate is no higher than the others'"
    q_value: float


def rank(counts: Mapping[str, tuple[int, int]]) -> list[Ranked]:
    """Names by their shrunken failure rate, the highest first. `counts` maps them to (failed, valid cycles).

    All rates come from one beta distribution, whose mean and spread are learnt from them; each name's own counts are
    added to it. How little a few names say of that distribution is averaged over, not ignored. Source: Gelman and
    others, "Bayesian Data Analysis", 3rd ed., section 5.3. With fewer than two names there is nothing to draw
    towards, and the list is empty.
    """
    known = {name: (failed, n) for name, (failed, n) in counts.items() if n > 0}
    if len(known) < 2:
        return []
    a, b, weights = _priors(list(known.values()))
    usual = a / (a + b)
    q_found = q_values([_p_higher(name, known) for name in known])
    tail = (1 - LEVEL) / 2
    found = []
    for (name, (failed, n)), q_value in zip(known.items(), q_found, strict=True):
        ours, theirs = a + failed, b + n - failed
        found.append(
            Ranked(
                name=name,
                failed=failed,
                n=n,
                rate=float((weights * ours / (ours + theirs)).sum()),
                low=_quantile(tail, ours, theirs, weights),
                high=_quantile(1 - tail, ours, theirs, weights),
                above=1 - float((weights * betainc(ours, theirs, usual)).sum()),
                q_value=q_value,
            )
        )
    return sorted(found, key=lambda ranked: (-ranked.rate, ranked.name))


def _priors(counts: Sequence[tuple[int, int]]) -> tuple[Floats, Floats, Floats]:
    """Beta distributions that rates may come from, and how likely each is after these counts.

    A grid: the mean with Jeffreys' prior, the strength (in cycles) even on a logarithmic scale.
    """
    means, sizes = (grid.ravel() for grid in np.meshgrid(1 / (1 + np.exp(-np.linspace(-12, 4, 81))), STRENGTHS))
    a, b = means * sizes, (1 - means) * sizes
    logs = 0.5 * np.log(means * (1 - means))
    for failed, n in counts:
        logs = logs + betaln(a + failed, b + n - failed) - betaln(a, b)
    weights = np.exp(logs - logs.max())
    likely = weights > 1e-6
    return a[likely], b[likely], weights[likely] / weights[likely].sum()


def _quantile(share: float, ours: Floats, theirs: Floats, weights: Floats) -> float:
    """Of a mixture of beta distributions."""
    low, high = 0.0, 1.0
    while high - low > 1e-7:
        middle = (low + high) / 2
        low, high = (low, middle) if (weights * betainc(ours, theirs, middle)).sum() >= share else (middle, high)
    return high


def _p_higher(name: str, counts: Mapping[str, tuple[int, int]]) -> float:
    """One-sided Fisher's p-value of one name against all the others together."""
    failed, n = counts[name]
    every, total = sum(found for found, _ in counts.values()), sum(count for _, count in counts.values())
    return float(hypergeom.sf(failed - 1, total, every, n))


class Factor(Struct, frozen=True, kw_only=True):
    """One dimension of the cells, and how much of the failures it goes with."""

    name: str
    #: level -> (failed, cycles)
    levels: dict[str, tuple[int, int]]
    #: part of the differences between cells that goes with this factor, 0 to 1; None where cells do not differ
    explained: float | None
    #: chance of as much if failures had nothing to do with it, given all other factors at their levels; None if
    #: the cells cannot tell: every level of this factor goes with one of the others
    p_value: float | None
    #: factors whose levels go with this one's in every cell, so that nobody can tell them apart
    same_as: tuple[str, ...] = ()


def explain(cells: Sequence[tuple[Mapping[str, str], int, int]]) -> list[Factor]:
    """Which factor goes with failures: cells are (factor -> level, failed, valid cycles). The strongest first.

    Explained: the factor's part of the cells' deviance. p-value: failures are dealt out at random among the cycles of
    cells that agree in every other factor, so that a factor gets no credit for another's failures; likelihood-ratio
    statistic, `DEALS` deals, always the same. It is association: a factor that nobody varied explains nothing.
    """
    known = [(levels, failed, n) for levels, failed, n in cells if n > 0]
    names = sorted({name for levels, _, _ in known for name in levels})
    varied = [name for name in names if len({levels[name] for levels, _, _ in known}) > 1]
    whole = _deviance([(str(number), failed, n) for number, (_, failed, n) in enumerate(known)])
    found = []
    for name in varied:
        table = [(levels[name], failed, n) for levels, failed, n in known]
        found.append(
            Factor(
                name=name,
                levels=_sums(table),
                explained=_deviance(table) / whole if whole > 1e-9 else None,
                p_value=_p_within(name, known),
                same_as=tuple(other for other in varied if other != name and _go_together(name, other, known)),
            )
        )
    return sorted(found, key=lambda factor: (-(factor.explained or 0.0), factor.name))


Cells = Sequence[tuple[Mapping[str, str], int, int]]


def _sums(table: Sequence[tuple[str, int, int]]) -> dict[str, tuple[int, int]]:
    sums: dict[str, tuple[int, int]] = {}
    for level, failed, n in table:
        before = sums.get(level, (0, 0))
        sums[level] = (before[0] + failed, before[1] + n)
    return sums


def _deviance(table: Sequence[tuple[str, int, int]]) -> float:
    """Twice the logarithm of the likelihood ratio of a rate per level against one rate for all."""
    sums = _sums(table)
    every, total = sum(failed for failed, _ in sums.values()), sum(n for _, n in sums.values())
    return 2 * (sum(_log_likelihood(failed, n) for failed, n in sums.values()) - _log_likelihood(every, total))


def _log_likelihood(failed: int, n: int) -> float:
    return float(xlogy(failed, failed / n) + xlogy(n - failed, (n - failed) / n)) if n else 0.0


def _p_within(name: str, cells: Cells) -> float | None:
    strata: dict[tuple[str, ...], list[int]] = {}
    for number, (levels, _, _) in enumerate(cells):
        rest = tuple(level for other, level in sorted(levels.items()) if other != name)
        strata.setdefault(rest, []).append(number)
    told = [numbers for numbers in strata.values() if len({cells[number][0][name] for number in numbers}) > 1]
    if not any(cells[number][1] for numbers in told for number in numbers):
        return None
    rng = np.random.default_rng(SEED)
    observed, deals = 0.0, np.zeros(DEALS)
    for numbers in told:
        failed = np.array([cells[number][1] for number in numbers])
        n = np.array([cells[number][2] for number in numbers])
        observed += float(_statistic(failed[None, :], n)[0])
        deals += _statistic(rng.multivariate_hypergeometric(n, int(failed.sum()), size=DEALS), n)
    return float((np.count_nonzero(deals >= observed - 1e-9) + 1) / (DEALS + 1))


def _statistic(failed: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The deviance of each row of failures among cells of `n` cycles."""
    passed = n - failed
    return np.asarray(2 * (xlogy(failed, failed / n) + xlogy(passed, passed / n)).sum(axis=1))


def _go_together(one: str, other: str, cells: Cells) -> bool:
    pairs = {(levels[one], levels[other]) for levels, _, _ in cells}
    return len({left for left, _ in pairs}) == len({right for _, right in pairs}) == len(pairs)
