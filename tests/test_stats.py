"""Rates and decisions: against published numbers, by exact enumeration, and by properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from harness.stats.compare import Decision, compare_arms, newcombe, p_worse
from harness.stats.proportion import rate, upper_bound, wilson

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


@pytest.mark.parametrize(("counts", "p"), [((3, 4, 1, 4), 17 / 70), ((4, 4, 0, 4), 1 / 70), ((0, 9, 0, 9), 1.0)])
def test_one_sided_p_value_is_fishers(counts, p):
    """Fisher's tea-tasting lady: 17/70 for three of four cups, 1/70 for all."""
    assert p_worse(*counts) == pytest.approx(p, rel=1e-9)


def test_five_failures_against_none_are_the_fewest_that_show_worse():
    assert decide((4, 400), (0, 400)).decision is Decision.UNDECIDED
    worse = decide((5, 400), (0, 400))
    assert worse.decision is Decision.WORSE
    assert worse.sentence == (
        "kexec failed 5 of 400, cold 0 of 400: kexec is worse (p = 0.031), at most 2.9 points worse (95 %)"
    )


def test_381_clean_blocks_are_the_fewest_that_show_no_worse_than_1_percent():
    """Wilson's upper limit at 0 failures is z^2 / (n + z^2), below 1 % from n = 380.3 on."""
    assert decide((0, 380), (0, 380)).decision is Decision.UNDECIDED
    fine = decide((0, 381), (0, 381))
    assert (fine.decision, fine.risk_difference, fine.more_blocks) == (Decision.NO_WORSE, 0.0, None)
    assert fine.sentence == (
        "kexec failed 0 of 381, cold 0 of 381: no evidence that kexec is worse; "
        "it is at most 0.999 points worse (95 %), within the margin of 1 point"
    )


def test_a_wider_margin_needs_fewer_blocks():
    assert decide((0, 80), (0, 80)).decision is Decision.UNDECIDED
    assert decide((0, 80), (0, 80), margin=0.05).decision is Decision.NO_WORSE


def test_undecided_says_how_many_more_blocks():
    found = decide((0, 3), (0, 3))
    assert (found.decision, found.more_blocks) == (Decision.UNDECIDED, 378)
    assert found.sentence == (
        "kexec failed 0 of 3, cold 0 of 3: undecided; about 378 more blocks would settle it if these rates go on"
    )


def test_a_forecast_out_of_reach_is_not_given():
    """A margin of 0.001 % takes 384,000 clean blocks."""
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
    assert found.sentence.endswith("kexec is worse (p = 0.00022), at most 0.0474 points worse (95 %)")


def _chance_of(decision: Decision, n: int, p: float, p_baseline: float, margin: float) -> float:
    """Exact: the chance of a decision at true rates, over all counts that are likelier than 1e-9."""
    counts = np.arange(n + 1)
    ours, theirs = binom.pmf(counts, n, p), binom.pmf(counts, n, p_baseline)
    total = 0.0
    for failed in counts[ours > 1e-9]:
        for others in counts[theirs > 1e-9]:
            if decision is Decision.WORSE:
                hit = p_worse(int(failed), n, int(others), n) < 0.05
            else:
                hit = newcombe(int(failed), n, int(others), n)[1] < margin
            total += float(ours[failed] * theirs[others]) if hit else 0.0
    return total


@pytest.mark.parametrize(("n", "p"), [(50, 0.01), (50, 0.3), (400, 0.002), (400, 0.01)])
def test_equal_arms_are_called_worse_in_no_more_than_5_percent(n, p):
    assert _chance_of(Decision.WORSE, n, p, p, 0.01) <= 0.05


@pytest.mark.parametrize(("n", "p_baseline"), [(381, 0.0), (560, 0.0), (880, 0.0), (700, 0.001), (1500, 0.005)])
def test_an_arm_worse_by_the_margin_is_called_no_worse_in_no_more_than_2_5_percent(n, p_baseline):
    assert _chance_of(Decision.NO_WORSE, n, p_baseline + 0.01, p_baseline, 0.01) <= 0.025
