"""Numbers of statsmodels 0.15.0 (the functions named below), written down so that nobody needs it to run the tests.

Its Clopper-Pearson, Wilson and Newcombe intervals, its corrections and its linear trend test are independent of ours,
which are written from the papers.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from harness.stats.compare import newcombe
from harness.stats.exact import score
from harness.stats.multiplicity import holm_adjusted, q_values
from harness.stats.proportion import rate
from harness.stats.trend import depth_trend


@pytest.mark.parametrize(
    ("failed", "n", "low", "high"),
    [
        (3, 400, 0.0015493589499056574, 0.021760668514417103),
        (15, 148, 0.05784401008344857, 0.161650490349479),
        (81, 263, 0.25273674558527126, 0.3676219226013514),
        (1, 29, 0.000872646883579922, 0.17764429548872293),
    ],
)
def test_exact_intervals(failed, n, low, high):
    """proportion_confint(method="beta")."""
    found = rate(failed, n)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)


@pytest.mark.parametrize(
    ("failed", "n", "low", "high"),
    [
        (0, 20, 0.0, 0.1611251580528194),
        (3, 400, 0.002553889195249938, 0.021815720724032126),
        (15, 148, 0.06238639953073628, 0.16048724172330803),
        (29, 29, 0.8830302015002592, 1.0),
    ],
)
def test_wilson_intervals(failed, n, low, high):
    """proportion_confint(method="wilson")."""
    found = rate(failed, n)
    assert (found.wilson_low, found.wilson_high) == pytest.approx((low, high), rel=1e-9)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((3, 400, 0, 400), -0.0032213691101069183, 0.021815720724032126),
        ((0, 50, 0, 60), -0.060171852142089886, 0.07134759913335874),
        ((12, 100, 5, 90), -0.019948207103551927, 0.14871251360195706),
        ((7, 7, 1, 9), 0.4088327683785736, 0.980109112361455),
    ],
)
def test_intervals_of_a_difference(counts, low, high):
    """confint_proportions_2indep(method="newcomb", compare="diff")."""
    assert newcombe(*counts) == pytest.approx((low, high), rel=1e-9)


@pytest.mark.parametrize(
    ("counts", "margin"),
    [((3, 400, 1, 400), 0.02), ((12, 100, 5, 90), 0.05), ((0, 50, 1, 60), 0.1), ((30, 200, 28, 210), 0.1)],
)
def test_score_statistics(counts, margin):
    """The likelihood maximised numerically; test_proportions_2indep(method="score") of statsmodels 0.15.0 misses it."""
    failed, n, others, baseline_n = counts

    def unlikely(rate: float) -> float:
        ours = failed * math.log(rate + margin) + (n - failed) * math.log(1 - rate - margin)
        return -(ours + others * math.log(rate) + (baseline_n - others) * math.log(1 - rate))

    limits = (1e-9, 1 - margin - 1e-9)
    second = minimize_scalar(unlikely, bounds=limits, method="bounded", options={"xatol": 1e-12}).x
    first = second + margin
    error = math.sqrt(first * (1 - first) / n + second * (1 - second) / baseline_n)
    found = score(np.array([float(failed)]), n, np.array([float(others)]), baseline_n, margin)[0]
    assert found == pytest.approx((failed / n - others / baseline_n - margin) / error, rel=1e-6)


def test_corrections():
    """multipletests(method="holm") and (method="fdr_bh")."""
    p_values = [0.001, 0.04, 0.03, 0.012, 0.2, 0.0004, 0.9]
    assert holm_adjusted(p_values) == pytest.approx([0.006, 0.12, 0.12, 0.06, 0.4, 0.0028, 0.9])
    assert q_values(p_values) == pytest.approx([0.0035, 0.056, 0.0525, 0.028, 0.7 / 3, 0.0028, 0.9])


def test_trend():
    """Table.test_ordinal_association: z = 2.981614158221306, two-sided p = 0.0028673312222224825."""
    cells = [(10, 200), (20, 200), (15, 200), (30, 200)]
    depths = [depth for depth, (_, n) in enumerate(cells) for _ in range(n)]
    hits = [number < failed for failed, n in cells for number in range(n)]
    # statsmodels divides by n where the hypergeometric variance has n - 1
    assert depth_trend(depths, hits).p_value == pytest.approx(0.0028673312222224825 / 2, rel=0.01)
