"""Plans: numbers of blocks against published ones, their hours from this host's own runs, and the command."""

from __future__ import annotations

import functools
import math

import msgspec
import numpy as np
import pytest
from report_run import NET, RUN, end, start

from harness.campaign.history import pace
from harness.campaign.session import host_facts
from harness.cli import run
from harness.stats.exact import p_worse
from harness.stats.planning import (
    blocks_to_show_no_worse,
    blocks_to_show_worse,
    chance_of,
    clean_cycles,
    clean_cycles_when_watched,
    simulate_stopping,
)
from harness.stats.sequential import log_e_rate_below
from harness.store import CellStore, create_run, write_run


@pytest.mark.parametrize(("rate", "n"), [(0.05, 59), (0.01, 299), (0.001, 2995)])
def test_clean_cycles_are_the_published_ones(rate, n):
    """Success-run theorem, 95 %."""
    assert clean_cycles(rate) == n


def test_power_is_what_was_asked_for():
    """Exact: at n blocks the chance is 90 %, and at 5 % fewer it is not."""
    n = blocks_to_show_worse(0.02, 0.0, power=0.9)

    def claim(*counts: int) -> bool:
        return p_worse(*counts) < 0.05

    assert chance_of(claim, n, (0.02, 0.0), rising=True) >= 0.9
    assert chance_of(claim, round(0.95 * n), (0.02, 0.0), rising=True) < 0.9


def test_power_by_enumeration_is_the_share_of_simulated_designs():
    rng = np.random.default_rng(1)
    ours, theirs = rng.binomial(150, 0.06, 2000), rng.binomial(150, 0.01, 2000)

    @functools.cache
    def claim(*counts: int) -> bool:
        return p_worse(*counts) < 0.05

    simulated = np.mean([claim(int(a), 150, int(b), 150) for a, b in zip(ours, theirs, strict=True)])
    # three standard errors of 2,000 runs
    assert chance_of(claim, 150, (0.06, 0.01), rising=True) == pytest.approx(simulated, abs=0.034)


def test_no_worse_by_hand():
    assert blocks_to_show_no_worse(0.0, 0.01, power=0.9) == 299
    assert blocks_to_show_no_worse(0.0, 0.05, power=0.9) == 59


def test_out_of_reach_is_none():
    assert blocks_to_show_no_worse(0.0, 1e-6, power=0.9) is None


def test_runs_end_at_their_cap():
    found = simulate_stopping(0.0, 0.0, margin=0.001, cap=100, rng=np.random.default_rng(1), runs=10)
    assert (found.undecided, found.mean, found.p90) == (1.0, 100.0, 100.0)


# ---- hours --------------------------------------------------------------------------------------------------


@pytest.fixture
def results(tmp_path):
    """One run of this host: four cycles, a minute from each to the next."""
    folder = create_run(tmp_path / "results", "20260102T030405Z-1f2e")
    write_run(folder, msgspec.structs.replace(RUN, host=host_facts()))
    with CellStore(folder, NET.cell_id) as store:
        for cycle, method in enumerate(("kexec", "cold", "cold", "kexec")):
            store.append(start(NET, method, cycle))
            store.append(end(NET, method, cycle))
    return tmp_path / "results"


def test_the_pace_of_this_host(results):
    found = pace(results, host_facts(), ("kexec", "cold"))
    assert (found.seconds, found.cycles, found.runs) == (60.0, 3, 1)


def test_another_host_says_nothing_of_this_one(results):
    assert pace(results, {**host_facts(), "cpus": 1000}, ("kexec", "cold")) is None


def test_a_run_that_cannot_be_read_is_passed_over(results):
    (results / "broken").mkdir()
    (results / "broken" / "run.json").write_text("{")
    assert pace(results, host_facts(), ("kexec", "cold")).runs == 1


def test_a_plan_in_words(results, capsys):
    arguments = ["plan", "--detect", "2%", "--confidence", "95", "--power", "90", "--blocks", "60"]
    assert run([*arguments, "--results", str(results)]) == 0
    out = capsys.readouterr().out
    assert "  STOP=fixed  333 blocks (11 h), with 90 % power at 95 % confidence\n" in out
    assert "  149 clean cycles of one arm rule 2 % out (95 %)\n" in out
    assert "  60 clean blocks: anything under 4.9 % stays invisible (95 %)\n" in out
    assert f"a block takes 120 s on this host, as 3 cycles of 1 run in {results} did\n" in out


def test_one_arm_is_held_against_a_rate_and_compared_with_nothing(results, capsys):
    assert run(["plan", "--methods", "kexec", "--detect", "2%", "--results", str(results)]) == 0
    out = capsys.readouterr().out
    assert "no cold reboots to compare with: to show that kexec fails in less than 2 %\n" in out
    assert "  STOP=fixed  149 blocks (2.5 h) without a failure rule 2 % out (95 %)\n" in out
    assert "worse" not in out


def test_looking_after_every_cycle_costs_cycles():
    fixed, watched = clean_cycles(0.01), clean_cycles_when_watched(0.01)
    assert fixed < watched < 2 * fixed
    wanted = -math.log(0.05)
    assert log_e_rate_below(0, watched - 1, 0.01) < wanted <= log_e_rate_below(0, watched, 0.01)


def test_a_plan_for_programs(results, capsys):
    assert run(["plan", "--detect", "0.02", "--results", str(results), "--json"]) == 0
    found = msgspec.json.decode(capsys.readouterr().out)
    assert (found["fixed_worse"], found["seconds_per_block"]) == (333, 120.0)
    assert found["auto_worse"]["mean"] == pytest.approx(250, abs=10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--detect", "x"], "'x' is not a share, such as 1%, 1/100 or 0.01"),
        (["--detect", "1%", "--baseline-rate", "2%"], "must be above --baseline-rate"),
    ],
)
def test_a_plan_that_makes_no_sense(capsys, arguments, message):
    assert run(["plan", *arguments]) == 4
    assert message in capsys.readouterr().err
