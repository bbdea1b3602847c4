"""What builds up: published examples, hand-made chains, and false alarms by seeded simulation."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import structs
from report_run import KEXEC, NET, RUN, end, failed
from scipy.stats import theilslopes

from harness.model import SETUP, Outcome
from harness.report.summarise import summarise
from harness.report.text import arm_notes
from harness.stats.build_up import lives, placed
from harness.stats.trend import change_point, depth_trend, first_failures, slope


def test_trend_is_the_published_one():
    """Agresti, "Categorical Data Analysis", maternal drinking and malformations, scores 0 to 4: z^2 = 6.57.

    Scores there are 0, 0.5, 1.5, 4, 7; doubled they are whole. One-sided p is half of 0.0104.
    """
    cells = {0: (48, 17114), 1: (38, 14502), 3: (5, 793), 8: (1, 127), 14: (1, 38)}
    depths = [depth for depth, (_, n) in cells.items() for _ in range(n)]
    hits = [number < hit for hit, n in cells.values() for number in range(n)]
    assert depth_trend(depths, hits).p_value == pytest.approx(0.0104 / 2, abs=2e-4)


def test_few_failures_are_dealt_out_by_chance():
    """Three failures, all at the deepest of four depths with five cycles each: 1 of C(20,3)/C(5,3) = 114 ways."""
    depths = [depth for depth in range(4) for _ in range(5)]
    hits = [number >= 17 for number in range(20)]
    assert depth_trend(depths, hits).p_value == pytest.approx(10 / 1140, abs=0.004)


@pytest.mark.parametrize(("depths", "hits"), [([1] * 9, [True, *[False] * 8]), ([1, 2], [False] * 2), ([], [])])
def test_without_depths_or_failures_there_is_no_trend(depths, hits):
    assert depth_trend(depths, hits).p_value is None


@pytest.mark.parametrize("rate", [0.02, 0.3])
def test_failures_that_do_not_rise_are_seldom_said_to(rate):
    """500 soaks of 200 cycles in chains of ten: p below 5 % in no more than 5 % (three standard errors: 2.9)."""
    rng = np.random.default_rng(5)
    depths = np.arange(200) % 10
    found = [depth_trend(depths, rng.random(200) < rate).p_value for _ in range(500)]
    assert np.mean([p is not None and p < 0.05 for p in found]) <= 0.079


# Freireich et al. (1963), leukemia remission in weeks, 6-MP against placebo: log-rank chi-squared 16.79.
TREATED = [(6, True)] * 3 + [(weeks, True) for weeks in (7, 10, 13, 16, 22, 23)]
TREATED += [(weeks, False) for weeks in (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)]
PLACEBO = [(weeks, True) for weeks in (1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23)]


def test_log_rank_is_the_published_one():
    assert first_failures(TREATED, PLACEBO).p_value == pytest.approx(4.17e-5, rel=0.01)


def test_cycles_between_failures_are_at_least():
    """Without a failure n / ln 20: the rule of three turned round."""
    found = first_failures([(300, False)], [(100, True)])
    assert found.at_least == (pytest.approx(100.14, abs=0.01), pytest.approx(200 / 9.488, abs=0.01))


def test_no_failure_at_all_has_no_test():
    assert first_failures([(3, False)], [(4, False)]).p_value is None


# ---- slopes and changes -------------------------------------------------------------------------------------


def test_slope_is_scipys_and_says_when_it_is_shown():
    rng = np.random.default_rng(1)
    steps = np.arange(60) % 12
    values = 20 + 0.2 * steps + rng.normal(0, 0.3, 60)
    found = slope(steps, values)
    assert found.per_step == pytest.approx(theilslopes(values, steps).slope)
    assert found.is_shown
    assert not slope(steps, rng.normal(0, 0.3, 60)).is_shown


def test_slopes_that_are_zero_are_seldom_shown():
    """300 chains; 5 % are shown (standard error 1.3)."""
    rng = np.random.default_rng(2)
    assert np.mean([slope(np.arange(40) % 8, rng.normal(size=40)).is_shown for _ in range(300)]) <= 0.09


def test_few_values_have_no_slope():
    assert slope([0, 1, 2], [1.0, 2.0, 3.0]).per_step is None
    assert slope([1] * 20, list(range(20))).per_step is None


def test_a_change_is_found_where_it_is():
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.normal(20, 1, 70), rng.normal(23, 1, 50)])
    found = change_point(values)
    assert abs(found.at - 70) <= 2
    assert (found.before, found.after) == (pytest.approx(20, abs=0.5), pytest.approx(23, abs=0.5))


def test_steady_times_seldom_change():
    """500 series of 60, some with ties: no more than 1 % (three standard errors: 1.3)."""
    rng = np.random.default_rng(4)
    found = [change_point(rng.normal(size=60).round(1)) for _ in range(500)]
    assert np.mean([one is not None for one in found]) <= 0.023
    assert change_point([5.0] * 50) is None


# ---- from records -------------------------------------------------------------------------------------------


def test_depth_before_a_cycle_comes_from_the_one_before():
    records = [
        end(NET, "kexec", 0, chain_depth=1),
        end(NET, "kexec", 1, chain_depth=2),
        failed(NET, "kexec", 2),
        end(NET, "kexec", 3, chain_depth=1),
        end(NET, "cold", 4, chain_depth=0),
        end(NET, SETUP, 5, outcome=Outcome.INVALID),
        end(NET, "kexec", 5, chain_depth=1),
    ]
    chain = list(placed(records))
    assert [depth for depth, _ in chain] == [0, 1, 2, 0, 1, 0]
    assert lives("kexec", chain) == [(3, True), (2, False)]
    assert lives("cold", chain) == [(1, False)]


def test_a_chain_that_slows_down_and_loses_memory_is_noted():
    rng = np.random.default_rng(6)
    records = []
    for cycle in range(100):
        depth = cycle % 10
        phases = structs.replace(KEXEC, total_s=20 + 0.5 * depth + rng.normal(0, 0.2))
        memory = int(900_000 - 2048 * depth + rng.normal(0, 200))
        more = {"phases": phases, "mem_available_kib": memory, "block": cycle}
        if depth == 9 and cycle % 20 == 19:
            records.append(failed(NET, "kexec", cycle, **more))
        else:
            records.append(end(NET, "kexec", cycle, chain_depth=0 if depth == 9 else depth + 1, **more))
    notes = " ".join(arm_notes(summarise(RUN, records).cells[0].arms[0]))
    assert "kexec fails more often the more kexecs went before in a row (p = " in notes
    assert "kexec: each one in a row takes 0." in notes
    assert "kexec: each one in a row leaves " in notes
    assert "MiB less memory" in notes
