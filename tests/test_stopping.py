"""Campaigns that stop by themselves: thousands of simulated reboots through the whole pipeline, without QEMU."""

from __future__ import annotations

import random

import pytest
from report_run import end
from simulated_machine import SimulatedMachine

from harness.artefacts.collect import Collector, Wanted
from harness.campaign.records import Identity
from harness.campaign.runner import CellCampaign
from harness.campaign.stopping import StopRule, StopSettings
from harness.clock import ManualClock
from harness.config.stop import time_limit
from harness.lab import device_sets, methods
from harness.model import Accel, Cell, CycleEnd, Outcome, RunInfo, Setting
from harness.report.summarise import summarise
from harness.store import RECORDS, CellStore, read_records

CELL = Cell(image="debian-13", device_set="virtio-net")
RUN = RunInfo(
    run_id="r1",
    harness_version="0.1.0",
    started_at="2026-01-01T00:00:00+00:00",
    seed=1,
    accel=Accel.TCG,
    accel_reason="asked for",
    qemu_version="7.2.22",
    cells=(CELL,),
)


@pytest.fixture
def soak(tmp_path, monkeypatch):
    """Runs a campaign on simulated machines: what it said, and its records."""
    # Records must survive a crash of the host; these need not.
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr(CellStore, "keep_events", lambda self, name, events: f"{name}.log")

    def run(blocks: int, failing: dict[str, float], names: tuple[str, ...] = ("kexec", "cold"), **stop: object):
        said: list[str] = []
        clock, rng = ManualClock(), random.Random(1)
        with CellStore(tmp_path, CELL.cell_id) as store:
            CellCampaign(
                CELL,
                [methods()[name] for name in names],
                device_sets()["virtio-net"],
                identity=Identity("r1", Accel.TCG, "7.2.22"),
                seed=1,
                blocks=blocks,
                stop=StopSettings(**{"stop": "auto", "margin": 0.01, **stop}),
                make_machine=lambda: SimulatedMachine(clock, rng, failing),
                store=store,
                artefacts=Collector(tmp_path, Wanted(), lambda _: None),
                say=said.append,
            ).run()
        return said[-1], read_records(store.folder / RECORDS)

    return run


def ends(records) -> list[CycleEnd]:
    return [record for record in records if isinstance(record, CycleEnd)]


def sentence(records, **settings: object) -> str:
    """What a report says of the two arms."""
    known = {name: Setting(value, "test") for name, value in {"stop": "auto", "margin": 0.01, **settings}.items()}
    run = RunInfo(**{**{name: getattr(RUN, name) for name in RUN.__struct_fields__}, "settings": known})
    return summarise(run, records).cells[0].contrasts[0].comparison.sentence


def test_equal_arms_stop_once_the_margin_is_met(soak):
    last, records = soak(2000, {})
    answer = (
        "kexec failed 0 of 333, cold 0 of 333: no evidence that kexec is worse; "
        "it is at most 0.998 points worse (95 %), within the margin of 1 point"
    )
    assert last == f"{CELL.cell_id}: stopped after 333 blocks: {answer}"
    assert len(ends(records)) == 666
    assert sentence(records) == answer


def test_a_kexec_that_fails_in_5_percent_is_found_out(soak):
    last, records = soak(2000, {"kexec": 0.05})
    assert "kexec failed 5 of " in last
    assert "cold 0 of " in last
    assert "kexec is worse (e = 23.4), at least " in last
    blocks = max(end.block for end in ends(records)) + 1
    assert 20 < blocks < 300
    assert last.endswith(sentence(records))
    assert [end.order for end in ends(records)][-1] == 1, "a block was left half done"


def test_a_cap_that_is_reached_undecided_says_so(soak):
    """Equal arms that fail in 2 % cannot be told apart from ones a point apart in 400 blocks."""
    last, records = soak(400, {"kexec": 0.02, "cold": 0.02})
    assert last == (f"{CELL.cell_id}: stopped after 400 blocks: no more are planned, and not every question is settled")
    assert len(ends(records)) == 800
    assert ": undecided; about " in sentence(records)


def test_a_single_arm_stops_once_it_meets_its_specification(soak):
    last, _ = soak(2000, {}, names=("kexec",), max_failure_rate=0.01)
    assert last == (
        f"{CELL.cell_id}: stopped after 335 blocks: kexec failed 0 of 335: it meets the specification of fewer than "
        "1 in 100; at most 0.999 % (95 %)"
    )


def test_a_single_arm_stops_once_it_cannot_meet_its_specification(soak):
    last, _ = soak(2000, {"kexec": 0.2}, names=("kexec",), max_failure_rate=0.01)
    assert ": it does not meet the specification of fewer than 1 in 100; at most " in last


def test_time_ends_a_run_after_a_whole_block(soak):
    """A kexec takes 20 s here, a cold reboot 20 s, and the set-up boot 10 s."""
    last, records = soak(100_000, {}, stop="time:10m")
    assert last == f"{CELL.cell_id}: stopped after 15 blocks: the time is up (time:10m)"
    assert len(ends(records)) == 30
    assert sentence(records, stop="time:10m").endswith("about 318 more blocks would settle it if these rates go on")


def test_one_arm_without_a_question_runs_all_blocks(soak):
    last, records = soak(5, {}, names=("kexec",))
    assert last.endswith("stopped after 5 blocks: no more are planned, and there was no question to settle")
    assert len(ends(records)) == 5


def test_fixed_runs_every_block_and_says_nothing(soak):
    last, records = soak(6, {"kexec": 1.0}, stop="fixed")
    assert len(ends(records)) == 12
    assert "stopped" not in last


# ---- what counts --------------------------------------------------------------------------------------------


def rule(**settings: object) -> StopRule:
    return StopRule(StopSettings(**{"stop": "auto", "margin": 0.01, **settings}), ("kexec", "cold"), ManualClock())


def feed(rule: StopRule, kexec: Outcome, cold: Outcome, blocks: int) -> str | None:
    said = None
    for block in range(blocks):
        for order, (method, outcome) in enumerate((("kexec", kexec), ("cold", cold))):
            rule.add(end(CELL, method, 2 * block + order, outcome=outcome, block=block))
        said = said or rule.after_block(block)
    return said


def test_a_block_with_an_invalid_cycle_counts_for_neither_arm():
    """Four hundred failures of kexec beside invalid cold reboots are no evidence that kexec is worse."""
    alone = rule()
    assert feed(alone, Outcome.FAIL, Outcome.INVALID, 400) is None
    assert feed(alone, Outcome.FAIL, Outcome.PASS, 4) is None
    assert "kexec is worse" in feed(alone, Outcome.FAIL, Outcome.PASS, 1)


def test_blocks_in_which_both_arms_fail_speak_for_neither():
    assert feed(rule(), Outcome.FAIL, Outcome.FAIL, 332) is None


@pytest.mark.parametrize(
    ("stop", "seconds"), [("time:2h", 7200), ("time:90m", 5400), ("time:1.5d", 129_600), ("auto", None), ("2h", None)]
)
def test_durations(stop, seconds):
    assert time_limit(stop) == seconds
