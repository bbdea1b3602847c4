"""A system that comes up and does not last: its reboot has failed, however late that is seen."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from reboots import reset, text
from report_run import end
from simulated_machine import SimulatedMachine

from harness.artefacts.collect import Collector, Wanted
from harness.campaign.records import Identity
from harness.campaign.runner import CellCampaign
from harness.campaign.stopping import StopRule, StopSettings
from harness.clock import ManualClock
from harness.errors import MachineError
from harness.lab import device_sets, methods
from harness.model import Accel, Cell, CycleEnd, CycleStart, Outcome
from harness.store import RECORDS, CellStore, read_records, settled

CELL = Cell(image="debian-13", device_set="virtio-net")


class ShortLived(SimulatedMachine):
    """Every fourth kexec gives a system that is `how` soon after it has reported ready."""

    def __init__(self, clock: ManualClock, rng: random.Random, how: str) -> None:
        super().__init__(clock, rng, {})
        self._how, self._kexecs, self._dead = how, 0, False

    def send(self, script, *, purpose):
        sent = super().send(script, purpose=purpose)
        self._kexecs += self._method == "kexec"
        self._dead = self._method == "kexec" and self._kexecs % 4 == 0
        return sent

    def run(self, script, *, purpose="script", timeout=120.0):
        if self._dead and purpose != "device-after" and not self._goes_on():
            raise MachineError(f"the guest agent did not answer '{purpose}' within {timeout:.0f} s")
        return super().run(script, purpose=purpose, timeout=timeout)

    def answers(self) -> bool:
        return not self._dead or self._goes_on()

    def _goes_on(self) -> bool:
        """What happens to a dead system, once; a machine that was reset answers when it is up again."""
        t = self.clock.monotonic()
        if self._how == "reset":
            self._events.append(reset(t))
        elif self._how == "panicked":
            self._events.append(text(t, "[   12.500000] Kernel panic - not syncing: Fatal exception"))
            self._events.append(text(t, "[   12.500100] CPU: 0 UID: 0 PID: 1 Comm: init Not tainted 6.12.0"))
        return self._how == "reset"


@pytest.fixture
def campaign(tmp_path, monkeypatch):
    """Runs six blocks on short-lived machines: what was said, and the finished cycles."""
    monkeypatch.setattr("os.fsync", lambda _: None)

    def run(how: str) -> tuple[list[str], list[CycleEnd]]:
        said: list[str] = []
        clock, rng = ManualClock(), random.Random(1)
        with CellStore(tmp_path, CELL.cell_id) as store:
            CellCampaign(
                CELL,
                [methods()["kexec"], methods()["cold"]],
                device_sets()["virtio-net"],
                identity=Identity("r1", Accel.TCG, "7.2.22"),
                seed=1,
                blocks=6,
                stop=StopSettings(stop="fixed", margin=0.01),
                make_machine=lambda: ShortLived(clock, rng, how),
                store=store,
                artefacts=Collector(tmp_path, Wanted(), lambda _: None),
                say=said.append,
            ).run()
        return said, [record for record in read_records(store.folder / RECORDS) if isinstance(record, CycleEnd)]

    return run


@pytest.mark.parametrize(
    ("how", "failure_class"),
    [("silent", "died_after_ready"), ("panicked", "kernel_panic"), ("reset", "unexpected_reset")],
)
def test_the_boot_that_died_is_charged_and_no_other(campaign, how, failure_class):
    said, ends = campaign(how)
    counted = Counter((end.method, end.outcome, end.failure_class) for end in ends)
    assert counted == {
        ("cold", Outcome.PASS, None): 6,
        ("kexec", Outcome.PASS, None): 5,
        ("kexec", Outcome.FAIL, failure_class): 1,
    }
    assert sum(failure_class in line for line in said) == 1


def test_of_several_ends_of_a_cycle_the_failure_counts():
    passed, failed = end(CELL, "kexec", 0), end(CELL, "kexec", 0, outcome=Outcome.FAIL)
    other = end(CELL, "cold", 1)
    assert settled([passed, other, failed]) == [failed, other]
    assert settled([failed, other, passed]) == [failed, other]


def test_a_file_with_every_record_twice_counts_each_cycle_once():
    start = CycleStart(
        cell_id=CELL.cell_id, cycle=0, block=0, order=0, method="kexec", nonce="", started_at="2026-01-01T00:00:00Z"
    )
    records = [start, end(CELL, "kexec", 0)]
    assert settled([*records, *records]) == [start, records[1], start]


def test_a_stop_rule_takes_a_pass_back_also_when_its_block_is_over():
    late, at_once = (
        StopRule(StopSettings(stop="auto", margin=0.01), ("kexec", "cold"), ManualClock()) for _ in range(2)
    )
    for block in range(5):
        kexec, cold = end(CELL, "kexec", 2 * block), end(CELL, "cold", 2 * block + 1)
        late.add(cold)
        late.add(kexec)
        assert late.after_block(block) is None or block == 4
        late.take_back(kexec)
        at_once.add(end(CELL, "kexec", 2 * block, outcome=Outcome.FAIL))
        at_once.add(cold)
        found = at_once.after_block(block)
    assert found is not None
    late.add(end(CELL, "kexec", 10))
    late.add(end(CELL, "cold", 11))
    assert "kexec failed 5 of 6, cold 0 of 6: kexec is worse" in late.after_block(5)
