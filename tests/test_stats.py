"""Rates and decisions of a fixed number of cycles: against published numbers, and by properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from harness.stats.compare import Decision, compare_arms, newcombe
from harness.stats.proportion import rate, rates_by_class, upper_bound, wilson

Z95 = 1.959964


def decide(candidate: tuple[int, int], baseline: tuple[int, int], margin: float = 0.01):
    return compare_arms(rate(*candidate), rate(*baseline), names=("kexec", "cold"), margin=margin)


# ---- one arm ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failed", "n", "low", "high"),
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_exact_interval_is_the_published_one(failed, n, low, high):
    """Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 5."""
    found = rate(failed, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@pytest.mark.parametrize(
    ("failed", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_is_the_published_one(failed, n, low, high):
    """The same table, method 3."""
    found = wilson(failed, n, Z95)
    assert (round(found[0], 4), round(found[1], 4)) == (low, high)


def test_nothing_is_known_from_no_cycle():
    found = rate(0, 0)
    assert (found.rate, found.low, found.high, upper_bound(0, 0)) == (None, None, None, None)


def test_all_failed_has_an_upper_limit_of_one():
    found = rate(10, 10)
    assert (found.rate, found.high, round(found.low, 4)) == (1.0, 1.0, 0.6915)


@pytest.mark.parametrize(("rarer_than", "n"), [(0.05, 59), (0.01, 299), (0.001, 2995)])
def test_clean_cycles_needed_to_rule_a_rate_out(rarer_than, n):
    """Sample sizes of the success-run theorem, ln 0.05 / ln(1 - p), as tabulated for 95 % confidence."""
    assert upper_bound(0, n) <= rarer_than < upper_bound(0, n - 1)


@pytest.mark.parametrize(("failed", "n"), [(-1, 5), (6, 5), (1, 0)])
def test_impossible_counts_are_refused(failed, n):
    with pytest.raises(ValueError, match=f"{failed} failures of {n} cycles"):
        rate(failed, n)
    with pytest.raises(ValueError, match="failures of"):
        upper_bound(failed, n)


@pytest.mark.parametrize("n", [5, 40, 200])
def test_exact_interval_covers_at_every_rate(n):
    """Exact enumeration, so no error of a simulation: coverage never falls below 95 %."""
    intervals = [rate(failed, n) for failed in range(n + 1)]
    low, high = (np.array([getattr(found, side) for found in intervals]) for side in ("low", "high"))
    for p in (0.0005, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.9, 0.999):
        covered = binom.pmf(np.arange(n + 1), n, p)[(low <= p) & (p <= high)].sum()
        assert covered >= 0.95, p


@given(st.integers(0, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
@settings(max_examples=60, deadline=None)
def test_interval_holds_the_rate_and_lies_in_0_to_1(counts, level):
    found = rate(*counts, level)
    if counts[1]:
        assert 0 <= found.low <= found.rate <= found.high <= 1


def test_what_is_shown_is_wilsons_and_what_is_claimed_is_exact():
    found = rate(0, 20)
    assert (round(found.wilson_high, 4), round(found.high, 4)) == (0.1611, 0.1684)


def test_rates_by_failure_class():
    found = rates_by_class({"kernel_panic": 15, "no_ready": 0}, 148)
    assert (round(found["kernel_panic"].low, 4), round(found["kernel_panic"].high, 4)) == (0.0578, 0.1617)
    assert found["no_ready"].rate == 0.0


# ---- two arms -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((0, 10, 0, 10), -0.2775, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0),
        ((10, 10, 0, 10), 0.6075, 1.0),
    ],
)
def test_risk_difference_is_the_published_one(counts, low, high):
    """Newcombe, Statistics in Medicine 17 (1998) 873-890, table II, method 10: all eight of its examples."""
    found = newcombe(*counts)
    assert (round(found[0], 4), round(found[1], 4)) == (low, high)


def test_four_failures_against_none_are_the_fewest_that_show_worse():
    """Fisher's test takes five."""
    assert decide((3, 400), (0, 400)).decision is Decision.UNDECIDED
    worse = decide((4, 400), (0, 400))
    assert worse.decision is Decision.WORSE
    assert worse.sentence == (
        "kexec failed 4 of 400, cold 0 of 400: kexec is worse (p = 0.04), at most 2.28 points worse (95 %)"
    )


def test_299_clean_blocks_are_the_fewest_that_show_no_worse_than_1_percent():
    """0.99^n falls below 5 % at n = 298.1."""
    assert decide((0, 298), (0, 298)).decision is Decision.UNDECIDED
    fine = decide((0, 299), (0, 299))
    assert (fine.decision, fine.risk_difference, fine.more_blocks) == (Decision.NO_WORSE, 0.0, None)
    assert fine.sentence == (
        "kexec failed 0 of 299, cold 0 of 299: no evidence that kexec is worse; "
        "it is at most 0.998 points worse (95 %), within the margin of 1 point"
    )


def test_a_wider_margin_needs_fewer_blocks():
    assert decide((0, 60), (0, 60)).decision is Decision.UNDECIDED
    assert decide((0, 60), (0, 60), margin=0.05).decision is Decision.NO_WORSE


def test_undecided_says_how_many_more_blocks():
    found = decide((0, 3), (0, 3))
    assert (found.decision, found.more_blocks) == (Decision.UNDECIDED, 296)
    assert found.sentence == (
        "kexec failed 0 of 3, cold 0 of 3: undecided; about 296 more blocks would settle it if these rates go on"
    )


def test_a_forecast_out_of_reach_is_not_given():
    """A margin of 0.001 % takes 299,572 clean blocks."""
    found = decide((0, 10), (0, 10), margin=0.00001)
    assert found.more_blocks is None
    assert found.sentence.endswith("undecided; at these rates not even 200000 blocks would settle it")


def test_the_baseline_failing_more_is_no_evidence_against_the_candidate():
    found = decide((0, 400), (20, 400))
    assert found.decision is Decision.NO_WORSE
    assert found.risk_difference == -0.05


def test_an_arm_without_cycles_decides_nothing():
    found = decide((0, 0), (0, 5))
    assert found.sentence == "undecided: no valid cycle of kexec"
    assert (found.p_value, found.risk_difference, found.low, found.high) == (None, None, None, None)


def test_a_proven_but_tiny_difference_is_worse_and_says_how_tiny():
    found = decide((50, 100_000), (20, 100_000))
    assert found.decision is Decision.WORSE
    assert found.sentence.endswith("kexec is worse (p = 0.00016), at most 0.0446 points worse (95 %)")


def test_a_difference_that_several_comparisons_share_an_error_for_takes_more():
    """p = 0.0204: enough for one comparison, not for one of three."""
    alone = compare_arms(rate(5, 400), rate(0, 400), names=("kexec", "cold"), gates=2)
    among = compare_arms(rate(5, 400), rate(0, 400), names=("kexec", "cold"), gates=3)
    assert (alone.decision, among.decision) == (Decision.WORSE, Decision.UNDECIDED)
    assert among.sentence.endswith("(p = 0.02 would be worse for this cell alone, not for one of 3 looked at)")
