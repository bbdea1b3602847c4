"""The exact tests of two arms: against independent implementations, and by enumeration of every likely count."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import boschloo_exact, fisher_exact

from harness.stats import exact
from harness.stats.compare import newcombe, upper_difference
from harness.stats.exact import GAMMA, p_beyond_margin, p_worse, score
from harness.stats.planning import chance_of

COUNTS = [
    (5, 40, 0, 40),
    (3, 25, 1, 60),
    (9, 10, 3, 10),
    (30, 60, 20, 55),
    (2, 90, 0, 88),
    (7, 12, 1, 5),
    (1, 300, 0, 9),
]


@pytest.mark.parametrize("counts", COUNTS)
def test_searching_every_rate_gives_boschloos_p_value_as_scipy_has_it(counts):
    failed, n, others, baseline_n = counts
    theirs = boschloo_exact([[failed, others], [n - failed, baseline_n - others]], alternative="greater", n=64).pvalue
    assert p_worse(*counts, gamma=0.0) == pytest.approx(theirs, abs=5e-4)


@pytest.mark.parametrize("counts", COUNTS)
def test_a_finer_search_finds_nothing_larger(counts, monkeypatch):
    found = p_worse(*counts), p_beyond_margin(*counts, 0.1)
    monkeypatch.setattr(exact, "GRID", 5001)
    assert found == pytest.approx((p_worse(*counts), p_beyond_margin(*counts, 0.1)), abs=GAMMA)


SMALL = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(SMALL, SMALL)
@settings(max_examples=100, deadline=None)
def test_never_less_power_than_fishers(candidate, baseline):
    (failed, n), (others, baseline_n) = candidate, baseline
    fisher = fisher_exact([[failed, others], [n - failed, baseline_n - others]], alternative="greater").pvalue
    if failed * baseline_n > others * n:
        assert p_worse(failed, n, others, baseline_n) <= fisher + 2 * GAMMA


@pytest.mark.parametrize("n", [20, 150, 299])
def test_no_failure_in_either_arm_has_a_p_value_by_hand(n):
    assert p_beyond_margin(0, n, 0, n, 0.01) == pytest.approx(0.99**n, abs=2 * GAMMA)


def test_score_statistic_is_the_one_of_its_definition():
    """The likeliest rates that differ by the margin, found by trying them all instead of by the closed form."""
    failed, n, others, baseline_n, margin = 7, 120, 3, 90, 0.02
    rates = np.linspace(1e-6, 0.5, 2_000_001)
    likelihood = (
        failed * np.log(rates + margin)
        + (n - failed) * np.log(1 - rates - margin)
        + others * np.log(rates)
        + (baseline_n - others) * np.log(1 - rates)
    )
    second = rates[np.argmax(likelihood)]
    first = second + margin
    error = (first * (1 - first) / n + second * (1 - second) / baseline_n) ** 0.5
    found = score(np.array([float(failed)]), n, np.array([float(others)]), baseline_n, margin)[0]
    assert found == pytest.approx((failed / n - others / baseline_n - margin) / error, rel=1e-5)


@pytest.mark.parametrize("counts", [(12, 10_000, 9, 10_000), (4, 10_000, 0, 10_000), (600, 10_000, 500, 10_000)])
def test_ten_thousand_cycles_an_arm_take_no_time(counts):
    """Half a second on a busy host; scipy's own takes 42 s at 2,000."""
    start = time.process_time()
    p_worse(*counts)
    p_beyond_margin(*counts, 0.01)
    assert time.process_time() - start < 0.5


@given(SMALL, SMALL, st.sampled_from([0.8, 0.95, 0.99]))
@settings(max_examples=15, deadline=None)
def test_upper_limit_agrees_with_the_test_at_the_margin(candidate, baseline, level):
    counts = (*candidate, *baseline)
    for margin in (0.01, 0.1):
        shown = p_beyond_margin(*counts, margin) < 1 - level
        assert (upper_difference(*counts, level=level, start=margin) <= margin) == shown


def test_upper_limit_lies_near_newcombes():
    """A one-sided limit at 95 % beside the upper end of a two-sided interval at 90 %."""
    assert upper_difference(5, 56, 2, 60) == pytest.approx(newcombe(5, 56, 2, 60, 0.9)[1], rel=0.1)


# ---- errors: exact, so that there is no error of a simulation -----------------------------------------------


@pytest.mark.parametrize("p", [0.002, 0.01, 0.05, 0.3, 0.9])
@pytest.mark.parametrize("n", [30, 100])
def test_equal_arms_are_called_worse_in_no_more_than_5_percent(n, p):
    def claim(*counts: int) -> bool:
        return p_worse(*counts) < 0.05

    assert chance_of(claim, n, (p, p), rising=True) <= 0.05


@pytest.mark.parametrize("p_baseline", [0.0, 0.001, 0.01, 0.1])
@pytest.mark.parametrize(("n", "margin"), [(40, 0.1), (299, 0.01)])
def test_an_arm_worse_by_the_margin_is_called_no_worse_in_no_more_than_5_percent(n, margin, p_baseline):
    def claim(*counts: int) -> bool:
        return p_beyond_margin(*counts, margin) < 0.05

    assert chance_of(claim, n, (p_baseline + margin, p_baseline), rising=False) <= 0.05


def test_the_upper_limit_covers():
    """Missed in no more than 5 % (exact enumeration), and not much less: the limit is as tight as it may be."""

    def missed(failed: int, n: int, others: int, baseline_n: int) -> bool:
        return upper_difference(failed, n, others, baseline_n) < 0.1

    assert 0.02 < chance_of(missed, 50, (0.15, 0.05), rising=False) <= 0.05
