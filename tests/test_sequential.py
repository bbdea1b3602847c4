"""Stopping early: the e-values' fairness by arithmetic, errors under constant looking by seeded simulation."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.compare import Decision, compare_blocks, decide_at_any_time
from harness.stats.planning import log_e, simulate_stopping
from harness.stats.proportion import rate
from harness.stats.sequential import (
    HIGHER_RATES,
    LOWER_RATES,
    STAKES,
    Paired,
    count_pairs,
    difference_limits,
    log_e_above,
    log_e_rate_above,
    log_e_rate_below,
    lower_limit,
    rate_upper_limit,
    upper_limit,
)

LOG_20 = math.log(20)
PAIRS = st.builds(Paired, worse=st.integers(0, 40), same=st.integers(0, 400), better=st.integers(0, 40))


def clean(blocks: int) -> Paired:
    return Paired(same=blocks)


def decide(paired: Paired, gates: int = 1):
    n, baseline_failed = paired.blocks, paired.better
    arms = rate(paired.worse, n), rate(baseline_failed, n)
    return compare_blocks(paired, *arms, names=("kexec", "cold"), gates=gates)


# ---- fairness -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [STAKES, LOWER_RATES, HIGHER_RATES])
def test_the_capital_is_spent_once(parts):
    assert sum(weight for _, weight in parts) == pytest.approx(1.0, abs=1e-12)


@given(PAIRS, st.floats(-0.5, 0.5), st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_one_more_block_wins_nothing_on_average_if_the_hypothesis_holds(paired, bound, spread):
    """Fair whatever happened before: the mean of the e-value after a block whose mean payoff is the bound."""
    moved = bound * (1 - spread)
    up, down = max(bound, 0) + (spread - abs(moved)) / 4, max(-bound, 0) + (spread - abs(moved)) / 4
    up, down = max(up, bound, 0.0), max(up, bound, 0.0) - bound
    if up + down > 1:
        return
    now = log_e_above(paired, bound)
    outcomes = ((up, (1, 0, 0)), (1 - up - down, (0, 1, 0)), (down, (0, 0, 1)))
    mean = sum(
        chance
        * math.exp(
            log_e_above(Paired(worse=paired.worse + a, same=paired.same + b, better=paired.better + c), bound) - now
        )
        for chance, (a, b, c) in outcomes
    )
    assert mean == pytest.approx(1.0, abs=1e-9)


@given(PAIRS, st.floats(-0.9, 0.9), st.floats(-0.9, 0.9))
@settings(max_examples=100, deadline=None)
def test_a_higher_bound_is_never_easier_to_exceed(paired, one, other):
    low, high = sorted((one, other))
    assert log_e_above(paired, high) <= log_e_above(paired, low) + 1e-9


@given(PAIRS)
@settings(max_examples=50, deadline=None)
def test_arrays_give_the_same_e_values(paired):
    counts = [np.array([value]) for value in (paired.worse, paired.same, paired.better)]
    assert log_e(*counts, -0.01)[0] == pytest.approx(log_e_above(paired, -0.01), abs=1e-6)


@given(PAIRS.filter(lambda paired: paired.blocks))
@settings(max_examples=60, deadline=None)
def test_the_interval_holds_the_observed_difference_and_agrees_with_the_decision(paired):
    low, high = difference_limits(paired)
    assert -1 <= low <= paired.difference <= high <= 1
    decision = decide_at_any_time(paired)
    assert (decision is Decision.WORSE) == (lower_limit(paired) > 0)
    assert decision is Decision.WORSE or (decision is Decision.NO_WORSE) == (upper_limit(paired) <= 0.01)


# ---- what it takes ------------------------------------------------------------------------------------------


def test_five_blocks_in_which_only_kexec_failed_are_enough():
    assert decide(Paired(worse=4, same=100)).decision is Decision.UNDECIDED
    found = decide(Paired(worse=5, same=100))
    assert found.decision is Decision.WORSE
    assert found.sentence == (
        "kexec failed 5 of 105, cold 0 of 105: kexec is worse (e = 23.4), at least 0.156 points and "
        "at most 14.1 points worse (95 %)"
    )


def test_333_clean_blocks_are_enough_for_a_margin_of_1_percent():
    """A fixed number takes 299; looking after each block costs 34 more in this case, and saves most in others."""
    undecided = decide(clean(332))
    assert (undecided.decision, undecided.more_blocks) == (Decision.UNDECIDED, 1)
    found = decide(clean(333))
    assert found.sentence == (
        "kexec failed 0 of 333, cold 0 of 333: no evidence that kexec is worse; "
        "it is at most 0.998 points worse (95 %), within the margin of 1 point"
    )


def test_blocks_of_one_arm_are_left_out_and_said_to_be():
    paired = count_pairs({0: False, 1: False, 2: False}, {0: False, 2: True, 3: False})
    assert paired == Paired(worse=0, same=1, better=1)
    found = compare_blocks(paired, rate(0, 3), rate(1, 3), names=("kexec", "cold"))
    assert found.sentence.endswith("; 1 block without a valid cycle of both left out")


def test_no_common_block_decides_nothing():
    found = compare_blocks(Paired(), rate(0, 3), rate(0, 0), names=("kexec", "cold"))
    assert (found.sentence, found.decision) == ("undecided: no valid cycle of cold", Decision.UNDECIDED)
    found = compare_blocks(Paired(), rate(0, 1), rate(0, 1), names=("kexec", "cold"))
    assert found.sentence == "undecided: no valid cycle of kexec and cold in the same block"


def test_more_gates_take_more():
    """e = 23.4: enough for one comparison, not for one of two."""
    assert decide(Paired(worse=5, same=100), gates=1).decision is Decision.WORSE
    assert decide(Paired(worse=5, same=100), gates=2).decision is Decision.UNDECIDED


def test_a_look_takes_less_than_a_millisecond():
    paired = Paired(worse=30, same=9_000, better=20)
    start = time.process_time()
    for _ in range(200):
        decide_at_any_time(paired)
    assert (time.process_time() - start) / 200 < 1e-3


# ---- errors under looking after every block -----------------------------------------------------------------

RUNS = 1000
#: three standard errors of a share of 5 % in 1,000 runs
SLACK = 3 * math.sqrt(0.05 * 0.95 / RUNS)


@pytest.mark.parametrize("p", [0.02, 0.3])
def test_equal_arms_are_called_worse_in_no_more_than_5_percent_of_runs(p):
    """Without a way to end as no worse, so that every run is looked at 1,000 times."""
    found = simulate_stopping(p, p, margin=1e-9, cap=1000, rng=np.random.default_rng(3), runs=RUNS)
    assert found.worse <= 0.05 + SLACK


@pytest.mark.parametrize(("p", "p_baseline"), [(0.01, 0.0), (0.21, 0.2)])
def test_an_arm_worse_by_the_margin_is_called_no_worse_in_no_more_than_5_percent_of_runs(p, p_baseline):
    found = simulate_stopping(p, p_baseline, margin=0.01, cap=1000, rng=np.random.default_rng(4), runs=RUNS)
    assert found.no_worse <= 0.05 + SLACK


def drifting(rng: np.random.Generator, runs: int, blocks: int) -> np.ndarray:
    """Rates from 0.1 % to 20 %, a random walk of each run."""
    return np.clip(0.02 * np.exp(np.cumsum(rng.normal(0, 0.05, (runs, blocks)), axis=1)), 0.001, 0.2)


def test_drifting_rates_and_invalid_cycles_of_one_arm_do_no_harm():
    """Equal arms whose common rate drifts, 5 % of cycles invalid: worse in no more than 5 % of 1,000 runs."""
    rng = np.random.default_rng(5)
    rates = drifting(rng, RUNS, 800)
    ours, theirs = rng.random(rates.shape) < rates, rng.random(rates.shape) < rates
    valid = (rng.random(rates.shape) > 0.05) & (rng.random(rates.shape) > 0.05)
    above, below = np.cumsum(ours & ~theirs & valid, axis=1), np.cumsum(theirs & ~ours & valid, axis=1)
    seen = np.cumsum(valid, axis=1)
    called = (log_e(above, seen - above - below, below, 0.0) >= LOG_20).any(axis=1).mean()
    assert called <= 0.05 + SLACK


def test_every_interval_of_a_run_covers_in_95_percent_of_runs():
    """Looked at after every block: the truth is ruled out by none of 600, in at least 95 % of 1,000 runs."""
    rng = np.random.default_rng(6)
    ours, theirs = rng.random((RUNS, 600)) < 0.06, rng.random((RUNS, 600)) < 0.02
    above, below = np.cumsum(ours & ~theirs, axis=1), np.cumsum(theirs & ~ours, axis=1)
    same = np.arange(1, 601) - above - below
    missed = (log_e(above, same, below, 0.04) >= math.log(40)) | (log_e(below, same, above, -0.04) >= math.log(40))
    assert missed.any(axis=1).mean() <= 0.05 + SLACK


def test_runs_are_as_short_as_published_ones():
    """A two-stream e-process (Turner, Ly and Gruenwald) took 293 blocks on average for 0 v 2 %; fixed designs 333."""
    found = simulate_stopping(0.02, 0.0, margin=0.01, cap=3000, rng=np.random.default_rng(7), runs=RUNS)
    assert found.worse > 0.99
    assert found.mean + 3 * found.error < 293


# ---- one arm against a specification ------------------------------------------------------------------------


def test_clean_cycles_that_meet_1_in_500():
    """A fixed number takes 1,497; this is looked at all the time."""
    assert log_e_rate_below(0, 1679, 0.002) < LOG_20 <= log_e_rate_below(0, 1680, 0.002)
    assert rate_upper_limit(0, 1680) == pytest.approx(0.002, abs=1e-5)


def test_failures_that_do_not_meet_it():
    assert log_e_rate_above(2, 100, 0.002) < LOG_20 <= log_e_rate_above(4, 100, 0.002)


@pytest.mark.parametrize(("evidence", "specified"), [(log_e_rate_below, 0.02), (log_e_rate_above, 0.02)])
def test_an_arm_that_fails_as_often_as_specified_is_called_neither(evidence, specified):
    """1,000 runs of 400 cycles, looked at after each failure and at 20 other times."""
    rng = np.random.default_rng(8)
    called = 0
    for _ in range(RUNS):
        failed = np.cumsum(rng.random(400) < specified)
        looks = {*np.flatnonzero(np.diff(failed)), *range(19, 400, 20)}
        called += any(evidence(int(failed[look]), int(look) + 1, specified) >= LOG_20 for look in looks)
    assert called / RUNS <= 0.05 + SLACK


@pytest.mark.parametrize("specified", [0.0, 1.0, -0.1])
def test_a_specified_rate_lies_between_0_and_1(specified):
    with pytest.raises(ValueError, match="between 0 and 1"):
        log_e_rate_below(0, 5, specified)
    with pytest.raises(ValueError, match="0 cycles"):
        rate_upper_limit(0, 0)


def test_a_failure_whose_partner_is_invalid_never_helps_to_show_no_worse():
    """Twenty kexecs fail, and each leaves the machine such that the cold cycle of its block is invalid."""
    kexec = {block: block % 50 == 0 for block in range(1000)}
    cold = {block: False for block in range(1000) if block % 50}
    paired = count_pairs(kexec, cold)
    assert (paired.blocks, paired.worse, paired.worse_alone) == (980, 0, 20)
    found = compare_blocks(paired, rate(20, 1000), rate(0, 980), names=("kexec", "cold"))
    assert found.decision is not Decision.NO_WORSE
    assert found.at_most > 0.02
    assert "20 blocks without a valid cycle of both left out, but for 20 failures" in found.sentence


def test_a_failure_of_the_baseline_alone_never_helps_to_show_worse():
    alone = Paired(worse=5, same=100, better_alone=5)
    assert decide(Paired(worse=5, same=100)).decision is Decision.WORSE
    assert decide(alone).decision is Decision.UNDECIDED
