"""Many cells: corrections against published examples, rankings and factors by hand and by simulation."""

from __future__ import annotations

import re

import numpy as np
import pytest
from report_run import RUN, end, failed

from harness.model import Cell
from harness.report import markdown, terminal
from harness.report.summarise import has_worse_arm, summarise
from harness.stats.compare import Decision
from harness.stats.multiplicity import holm_adjusted, holm_divisors, q_values
from harness.stats.ranking import explain, rank

# Benjamini and Hochberg (1995), section 3.1: fifteen comparisons of two treatments of myocardial infarction.
PUBLISHED = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344]
PUBLISHED += [0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000]


def test_the_published_example_has_four_discoveries_and_three_by_holm():
    assert sum(q < 0.05 for q in q_values(PUBLISHED)) == 4
    assert sum(p < 0.05 for p in holm_adjusted(PUBLISHED)) == 3


def test_adjusted_p_values_are_those_of_r():
    """p.adjust(c(0.01, 0.02, 0.03, 0.04), "holm" and "BH")."""
    assert holm_adjusted([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert q_values([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.04] * 4)


def test_divisors_decide_as_the_adjusted_values_do():
    rng = np.random.default_rng(1)
    for _ in range(200):
        p_values = list(rng.beta(0.3, 3, 8))
        decided = [p < 0.05 / divisor for p, divisor in zip(p_values, holm_divisors(p_values), strict=True)]
        assert decided == [p < 0.05 for p in holm_adjusted(p_values)]


def test_planned_comparisons_count_though_they_are_not_known_yet():
    assert holm_divisors([0.001, 0.2], planned=10) == [10, 9]


def test_no_true_difference_is_found_in_more_than_5_percent_of_campaigns():
    """2,000 campaigns of 20 cells, half of them truly worse: a false one in 5 % (standard error 0.5)."""
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(2000):
        adjusted = holm_adjusted([*rng.uniform(size=10), *rng.beta(0.1, 5, 10)])
        wrong += any(p < 0.05 for p in adjusted[:10])
    assert wrong / 2000 <= 0.065


# ---- in a run -----------------------------------------------------------------------------------------------


def cells(failures: list[int], cycles: int = 60) -> tuple[list[Cell], list]:
    """A cell for each number of failed kexecs; cold never fails."""
    found = [Cell(image="debian-13", device_set=f"set-{number}") for number in range(len(failures))]
    records = []
    for cell, count in zip(found, failures, strict=True):
        for block in range(cycles):
            make = failed if block < count else end
            records += [make(cell, "kexec", 2 * block, reason="x"), end(cell, "cold", 2 * block + 1)]
    return found, records


def test_one_cell_of_ten_takes_more_to_be_called_worse():
    """Five of 60 against none: p = 0.017. Worse for a cell alone, not for one of ten; eight are."""
    alone = summarise(RUN, cells([5])[1])
    assert alone.cells[-1].contrasts[0].comparison.decision is Decision.WORSE
    among = summarise(RUN, cells([5, *[0] * 9])[1])
    assert not has_worse_arm(among)
    assert has_worse_arm(summarise(RUN, cells([8, *[0] * 9])[1]))


def test_triage_shows_where_to_look_first():
    report = summarise(RUN, cells([12, 0, 0, 1])[1])
    text = terminal.render(report, 100).decode()
    assert re.search(r"set-0 +12/60 ", text)
    assert "What failures go with" in text
    assert report.ranking[0].name == "set-0"
    assert report.factors[0].name == "device set"
    assert "| set-0 | 12/60 | " in markdown.render(report).decode()


def test_a_run_without_failures_has_no_triage():
    assert "What failures go with" not in terminal.render(summarise(RUN, cells([0, 0])[1])).decode()


# ---- ranking ------------------------------------------------------------------------------------------------


def test_little_known_names_are_drawn_towards_what_is_usual():
    counts = {"tried": (40, 400), "hardly": (1, 4), **{f"usual-{number}": (4, 400) for number in range(6)}}
    found = {ranked.name: ranked for ranked in rank(counts)}
    assert next(iter(found)) == "tried"
    assert found["hardly"].rate < 0.12
    assert found["hardly"].high - found["hardly"].low > found["tried"].high - found["tried"].low
    assert found["tried"].q_value < 1e-6


def test_two_names_with_next_to_no_data_have_wide_intervals():
    found = rank({"one": (1, 4), "other": (0, 1)})
    assert all(ranked.high - ranked.low > 0.3 for ranked in found)


def test_one_name_is_no_ranking():
    assert rank({"one": (1, 4), "none": (0, 0)}) == []


def test_intervals_of_a_ranking_cover():
    """25 campaigns of 12 sets whose rates are drawn from a beta distribution: 95 % of 300 (bounds: four errors)."""
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(25):
        rates = rng.beta(1.5, 60, 12)
        counts = {str(number): (int(rng.binomial(150, rate)), 150) for number, rate in enumerate(rates)}
        covered += sum(ranked.low <= rates[int(ranked.name)] <= ranked.high for ranked in rank(counts))
    assert 270 <= covered <= 299


# ---- factors ------------------------------------------------------------------------------------------------


def grid(rate) -> list:
    """Two device sets on two firmwares, 200 cycles each."""
    return [
        ({"device": device, "firmware": firmware}, rate(device, firmware), 200)
        for device in ("nvme", "ahci")
        for firmware in ("seabios", "ovmf")
    ]


def test_the_factor_that_failures_go_with_comes_first_and_the_other_has_no_part():
    device, firmware = explain(grid(lambda device, firmware: 20 if device == "nvme" else 2))
    assert (device.name, device.levels) == ("device", {"nvme": (40, 400), "ahci": (4, 400)})
    assert device.explained == pytest.approx(1.0)
    assert device.p_value < 0.001
    assert (firmware.name, firmware.explained) == ("firmware", pytest.approx(0.0, abs=1e-9))
    assert firmware.p_value > 0.5


def test_factors_that_always_go_together_cannot_be_told_apart():
    cells = [({"device": "nvme", "firmware": "ovmf"}, 20, 200), ({"device": "ahci", "firmware": "seabios"}, 2, 200)]
    for factor in explain(cells):
        assert factor.p_value is None
        assert len(factor.same_as) == 1


def test_a_factor_that_does_nothing_is_seldom_found():
    """200 campaigns; p below 5 % in 5 % (three standard errors: 4.6)."""
    rng = np.random.default_rng(4)
    found = 0
    for _ in range(200):
        table = explain(grid(lambda device, firmware: int(rng.binomial(200, 0.1 if device == "nvme" else 0.02))))
        found += next(factor.p_value for factor in table if factor.name == "firmware") < 0.05
    assert found <= 19


def test_no_failures_explain_nothing():
    assert all(factor.p_value is None for factor in explain(grid(lambda device, firmware: 0)))
