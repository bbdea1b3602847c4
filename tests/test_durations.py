"""Times: quantiles and paired ratios against published numbers, by properties, and by seeded simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.duration import paired_ratio, quantile
from harness.stats.signed_rank import lower_rank, pseudo_median, walsh_average, widest_level

# ---- paired ratios ------------------------------------------------------------------------------------------

# Hamilton depression scale factor of nine patients, after minus before a tranquilliser: Hollander, Wolfe and
# Chicken, table 3.1; also in the manual of R's wilcox.test.
HAMILTON = (-0.952, 0.147, -1.022, -0.430, -0.620, -0.590, -0.490, 0.080, -0.010)


def test_estimate_and_interval_are_the_published_ones():
    """Hollander, Wolfe and Chicken: -0.46, [-0.786, -0.010] at 96.1 %; R's wilcox.test gives the same at 95 %."""
    found = paired_ratio([(math.exp(value), 1.0) for value in HAMILTON])
    logs = [math.log(value) for value in (found.ratio, found.low, found.high)]
    assert logs == pytest.approx([-0.46, -0.786, -0.010], abs=1e-12)
    assert found.level == 0.95


@pytest.mark.parametrize(
    ("n", "critical"), [(6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (15, 25), (20, 52), (25, 89), (30, 137), (50, 434)]
)
def test_signed_rank_critical_values_are_the_published_ones(n, critical):
    """Two-sided 5 % critical values of the Wilcoxon signed-rank table; the interval starts one rank above."""
    assert lower_rank(n, 0.95) == critical + 1


def test_exact_and_normal_ranks_meet():
    """200 is the last exact one; the ranks' step from one n to the next is 87 or 88 there."""
    assert [lower_rank(n, 0.95) for n in (199, 200, 201)] == [8357, 8445, 8532]


@pytest.mark.parametrize(("n", "level"), [(2, 0.5), (3, 0.75), (4, 0.875), (5, 0.9375)])
def test_few_pairs_give_their_whole_range_at_its_real_level(n, level):
    found = paired_ratio([(0.7 + 0.01 * i, 1.0) for i in range(n)])
    assert (found.level, widest_level(n)) == (level, level)
    assert (found.low, found.high) == pytest.approx((0.7, 0.7 + 0.01 * (n - 1)))


def test_six_pairs_reach_95_percent_and_one_has_no_interval():
    six = paired_ratio([(0.7 + 0.01 * i, 1.0) for i in range(6)])
    assert (six.level, six.n_pairs) == (0.95, 6)
    one = paired_ratio([(3.0, 4.0)])
    assert (one.ratio, one.low, one.high, one.level) == (pytest.approx(0.75), None, None, None)
    none = paired_ratio([])
    assert (none.ratio, none.n_pairs) == (None, 0)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, math.nan])
def test_a_time_without_a_ratio_is_refused(bad):
    with pytest.raises(ValueError, match="positive"):
        paired_ratio([(1.0, 1.0), (1.0, bad)])


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_walsh_averages_are_found_as_if_all_were_written_down(values):
    ordered = np.sort(np.array(values))
    averages = sorted((a + b) / 2 for i, a in enumerate(ordered) for b in ordered[i:])
    found = [walsh_average(ordered, position) for position in range(1, len(averages) + 1)]
    assert found == pytest.approx(averages, abs=1e-12)
    assert pseudo_median(ordered) == pytest.approx(float(np.median(averages)), abs=1e-12)


TIMES = st.floats(0.001, 1e5)


@given(st.lists(st.tuples(TIMES, TIMES), min_size=2, max_size=30))
@settings(max_examples=100, deadline=None)
def test_ratio_lies_in_its_interval_and_turns_round_with_the_pairs(pairs):
    found, turned = paired_ratio(pairs), paired_ratio([(b, a) for a, b in pairs])
    assert found.low <= found.ratio <= found.high
    assert [1 / turned.high, 1 / turned.ratio, 1 / turned.low] == pytest.approx(
        [found.low, found.ratio, found.high], rel=1e-9
    )


def test_ratio_covers_while_the_host_drifts():
    """1,000 runs of 10 blocks, host speed a random walk: true coverage 95.1 %, simulated with a standard error of 0.7.

    Bounds are three standard errors off; an interval at 92 % or at 98 % would fail.
    """
    rng = np.random.default_rng(20260102)
    covered = 0
    for _ in range(1000):
        speed = np.exp(np.cumsum(rng.normal(0, 0.2, 10)))
        pairs = zip(speed * 0.72 * rng.lognormal(0, 0.1, 10), speed * rng.lognormal(0, 0.1, 10), strict=True)
        found = paired_ratio([(float(a), float(b)) for a, b in pairs])
        covered += found.low <= 0.72 <= found.high
    assert 930 <= covered <= 972


# ---- quantiles ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "low", "high"), [(6, 1, 6), (10, 2, 9), (20, 6, 15), (50, 18, 33), (100, 40, 61)])
def test_limits_of_the_median_are_the_published_order_statistics(n, low, high):
    """Ranks for a 95 % interval of the median, e.g. Conover, "Practical Nonparametric Statistics", section 3.2."""
    found = quantile([float(rank) for rank in range(1, n + 1)], 0.5)
    assert (found.low, found.value, found.high) == (low, (n + 1) / 2, high)
    assert found.reason is None


def test_five_times_have_a_median_but_no_interval():
    found = quantile([5.0, 1.0, 4.0, 2.0, 3.0], 0.5)
    assert (found.value, found.low, found.high) == (3.0, None, None)
    assert found.reason == "n too small for lower and upper limit"


def test_p95_needs_20_times_and_says_so():
    times = [float(i) for i in range(1, 21)]
    short = quantile(times[:19], 0.95)
    assert (short.value, short.n, short.reason) == (None, 19, "n too small: 19 of 20")
    enough = quantile(times, 0.95)
    assert enough.value == pytest.approx(19.05)
    assert (enough.low, enough.high, enough.reason) == (17.0, None, "n too small for upper limit")


def test_p95_has_an_upper_limit_from_72_times_on():
    """0.95^n falls to 2.5 % at n = 71.9."""
    assert quantile([float(i) for i in range(71)], 0.95).high is None
    assert quantile([float(i) for i in range(72)], 0.95).high == 71.0


def test_no_times_have_no_median():
    found = quantile([], 0.5)
    assert (found.value, found.n, found.reason) == (None, 0, "n too small: 0 of 1")


@pytest.mark.parametrize("q", [0.0, 1.0, -0.5, 95])
def test_a_quantile_lies_between_0_and_1(q):
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile([1.0], q)


@given(st.lists(TIMES, min_size=1, max_size=120), st.sampled_from([0.5, 0.9, 0.95]))
@settings(max_examples=60, deadline=None)
def test_quantile_lies_in_its_interval(times, q):
    found = quantile(times, q)
    if found.value is not None:
        assert min(times) <= found.value <= max(times)
        assert found.low is None or found.low <= found.value * (1 + 1e-12)
        assert found.high is None or found.value * (1 - 1e-12) <= found.high


def test_median_interval_covers_skewed_times():
    """1,000 samples of 20 lognormal times; true coverage 95.9 %, simulated with a standard error of 0.6."""
    rng = np.random.default_rng(7)
    samples = rng.lognormal(3.0, 0.5, (1000, 20))
    covered = sum(
        found.low <= math.exp(3.0) <= found.high for found in (quantile(sample.tolist(), 0.5) for sample in samples)
    )
    assert 940 <= covered <= 978
