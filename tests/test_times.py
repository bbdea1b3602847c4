"""Savings, shapes, columns and break-even: by hand, by published numbers, and by seeded simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from msgspec import structs
from report_run import COLD, KEXEC, NET, RUN, end, failed
from scipy.stats import wilcoxon

from harness.model import Phases, Setting
from harness.report.summarise import summarise
from harness.report.text import arm_notes, cell_notes, time_notes
from harness.stats.duration import ratio_of, saving_of
from harness.stats.firmware import break_even
from harness.stats.shape import shape
from harness.stats.signed_rank import lower_rank, walsh_average, walsh_averages_near
from harness.stats.times import Times, paired


def blocks(count: int, kexec=KEXEC, cold=COLD) -> list:
    """Blocks that passed; `kexec` and `cold` are phases, or give them for a block's number."""
    found = []
    for block in range(count):
        for order, (method, phases) in enumerate((("kexec", kexec), ("cold", cold))):
            given = phases(block) if callable(phases) else phases
            found.append(end(NET, method, 2 * block + order, phases=given))
    return found


def contrast(records, **settings: object):
    run = structs.replace(RUN, settings={name: Setting(value, "test") for name, value in settings.items()})
    return summarise(run, records).cells[0].contrasts[0]


# ---- savings ------------------------------------------------------------------------------------------------


def test_saving_is_the_published_estimate_and_interval():
    """Hollander, Wolfe and Chicken, table 3.1: -0.46 [-0.786, -0.010], turned round."""
    differences = (-0.952, 0.147, -1.022, -0.430, -0.620, -0.590, -0.490, 0.080, -0.010)
    found = saving_of(np.array(differences) + 10, np.full(9, 10.0))
    assert [found.seconds, found.low, found.high] == pytest.approx([0.46, 0.010, 0.786])


@pytest.mark.parametrize("n", [30, 150])
def test_the_interval_is_where_scipys_signed_rank_test_turns(n):
    rng = np.random.default_rng(n)
    ours, theirs = rng.normal(10, 1, n), rng.normal(11, 1, n)
    found = saving_of(ours, theirs)
    for limit in (found.low, found.high):
        inside, outside = limit + 1e-6 * (found.seconds - limit), limit - 1e-6 * (found.seconds - limit)
        assert wilcoxon(theirs - ours - inside, method="approx" if n > 50 else "exact").pvalue > 0.045
        assert wilcoxon(theirs - ours - outside, method="approx" if n > 50 else "exact").pvalue < 0.055


def test_many_values_are_searched_as_exactly_as_it_matters():
    """Within a hundred-thousandth of the spread of what all of them give; times on a grid, too."""
    for values in (np.random.default_rng(1).normal(0.3, 0.1, 700), np.arange(700) // 50 / 10):
        ordered = np.sort(values)
        every = 700 * 701 // 2
        positions = (every // 2, lower_rank(700, 0.95), every + 1 - lower_rank(700, 0.95))
        exact = [walsh_average(ordered, position) for position in positions]
        assert walsh_averages_near(ordered, positions) == pytest.approx(exact, abs=1e-5 * float(np.ptp(ordered)))


@pytest.mark.parametrize("values", [[7.0] * 300, [0.0] * 300, [1.0] * 250 + [2.0] * 50, [1.0] * 50 + [2.0] * 250])
def test_many_equal_values_are_no_trouble(values):
    """Times of a machine that is a simulation, or of a clock with coarse ticks."""
    ordered = np.array(values)
    positions = (300 * 301 // 4, lower_rank(300, 0.95), 300 * 301 // 2 + 1 - lower_rank(300, 0.95))
    exact = [walsh_average(ordered, position) for position in positions]
    assert walsh_averages_near(ordered, positions) == pytest.approx(exact, abs=1e-7)


def test_intervals_cover_while_the_host_drifts_and_remembers():
    """600 runs of 40 blocks on a host whose speed is an AR(1) process and drifts: coverage 95 %, standard error 0.9.

    Bounds are three standard errors off.
    """
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(600):
        speed = np.zeros(80)
        for cycle in range(1, 80):
            speed[cycle] = 0.9 * speed[cycle - 1] + rng.normal(0, 0.05)
        times = np.exp(speed + np.linspace(0, 0.3, 80) + rng.normal(0, 0.05, 80))
        # Blocks in twos, the second a mirror image: ABBA.
        first = np.array([0, 3] * 20) + np.repeat(np.arange(20) * 4, 2)
        second = np.array([1, 2] * 20) + np.repeat(np.arange(20) * 4, 2)
        found = ratio_of(0.8 * times[first], times[second])
        covered += found.low <= 0.8 <= found.high
    assert 554 <= covered <= 586


# ---- columns ------------------------------------------------------------------------------------------------


def test_pairs_are_the_blocks_in_which_both_passed_and_were_measured():
    records = [
        *blocks(2),
        end(NET, "kexec", 4),
        failed(NET, "cold", 5),
        end(NET, "kexec", 6, phases=Phases()),
        end(NET, "cold", 7),
    ]
    arms = [Times([record for record in records if record.method == name]) for name in ("kexec", "cold")]
    ours, theirs = paired(*arms, "total_s")
    assert (ours.tolist(), theirs.tolist()) == ([10.0, 10.0], [16.0, 16.0])
    assert len(arms[1].of("total_s")) == 3


def test_several_cycles_of_a_block_count_as_their_geometric_mean():
    times = Times([end(NET, "kexec", 0, phases=Phases(total_s=2.0)), end(NET, "kexec", 1, phases=Phases(total_s=8.0))])
    assert [part.tolist() for part in times.by_block("total_s")] == [[0], [pytest.approx(4.0)]]


# ---- shapes -------------------------------------------------------------------------------------------------


def test_a_time_far_off_is_flagged_and_stays_in_the_numbers():
    times = np.array([*np.linspace(18, 22, 30), 203.0])
    assert shape(times).outliers == (203.0,)
    arm = summarise(RUN, blocks(31, kexec=lambda block: Phases(total_s=float(times[block])))).cells[0].arms[0]
    assert "kexec: 1 of 31 times is far off the rest, up to 203 s; none is left out" in arm_notes(arm)
    assert arm.timings["total_s"].median.n == 31


def test_two_groups_are_told():
    rng = np.random.default_rng(2)
    times = np.concatenate([rng.lognormal(math.log(18), 0.05, 62), rng.lognormal(math.log(31), 0.05, 38)])
    groups = shape(times).groups
    assert (groups.fast, groups.slow) == (pytest.approx(18, rel=0.02), pytest.approx(31, rel=0.02))
    assert groups.slow_share == pytest.approx(0.38)


def test_ordinary_times_are_seldom_called_odd():
    """600 samples of 10 to 200 each: lognormal ones in 1 % (standard error 0.4), uniform ones in 6 % at most."""
    rng = np.random.default_rng(3)
    for draw, allowed in ((lambda n: rng.lognormal(3, 0.3, n), 13), (lambda n: rng.uniform(10, 20, n), 36)):
        found = [shape(draw(int(n))) for n in rng.integers(10, 200, 600)]
        assert sum(1 for one in found if one.groups) <= allowed
        assert sum(1 for one in found if one.outliers) <= 36


def test_few_times_and_equal_ones_have_no_shape():
    assert shape(np.array([1.0, 100.0])).outliers == ()
    assert shape(np.full(50, 3.0)) == shape(np.full(50, 7.0))


# ---- break-even ---------------------------------------------------------------------------------------------


def test_break_even_by_hand():
    """cold: 16 s, 4 of them firmware. kexec takes 13.5 s: it is the faster one from 1.5 s of firmware on."""
    records = blocks(8, kexec=Phases(total_s=13.5))
    arms = [Times([record for record in records if record.method == name]) for name in ("kexec", "cold")]
    found = break_even(*arms, assumed_s=180.0)
    assert (found.firmware.seconds, found.saved.seconds) == (pytest.approx(1.5), pytest.approx(178.5))
    notes = time_notes(contrast(records, firmware_seconds=180))
    assert "kexec is the faster one where firmware takes more than 1.50 s [1.50 to 1.50 s, 95 %]" in notes
    assert "with a firmware that takes 180 s kexec saves 178 s a reboot [178 to 178 s, 95 %]" in notes


def test_without_a_measured_firmware_there_is_no_break_even():
    assert contrast(blocks(8, cold=Phases(total_s=16.0))).break_even is None


# ---- busy hosts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("waited", "said"), [(8.5, True), (0.5, False)])
def test_a_busy_host_is_said_to_be_one_and_why(waited, said):
    records = [structs.replace(record, vcpu_s=8.5, vcpu_wait_s=waited) for record in blocks(3)]
    notes = " ".join(cell_notes(summarise(RUN, records).cells[0]))
    assert ("busy host: vCPUs waited in its run queue for 50 % of the time" in notes) == said
