"""Recorded machines: the whole way from events to verdict and records, on real reboots, without QEMU."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from harness.clock import ManualClock
from harness.guest import Guest
from harness.lab import device_sets, methods
from harness.model import Cell, ConsoleData, Event, Outcome
from harness.qemu.replay import ReplayMachine
from harness.store import read_events

TRANSCRIPTS = Path(__file__).parent / "testdata" / "transcripts"
CASES = tomllib.loads((TRANSCRIPTS / "cases.toml").read_text("utf-8"))
CELL = Cell(image="debian-13", device_set="virtio-net")
SEED = 1


def replayed(events: list[Event], method: str, scripts: int = 0) -> Guest:
    """A guest on a recorded machine, after its one reboot; `scripts` were run in it before."""
    guest = Guest(ReplayMachine(events, ManualClock(events[0].t)), CELL, device_sets()["virtio-net"], methods(), SEED)
    guest.boot()
    for _ in range(scripts):
        guest.run("")
    guest.reboot(method)
    return guest


def judge(name: str, events: list[Event]) -> Guest:
    case = CASES[name]
    return replayed(events, case["method"], scripts=int("sabotage" in case))


@pytest.mark.parametrize("name", CASES)
def test_a_recorded_reboot_gets_its_verdict(name):
    case = CASES[name]
    verdict = judge(name, read_events(TRANSCRIPTS / f"{name}.jsonl.gz")).cycles[0].judgement.verdict
    found = verdict.outcome.value if verdict.outcome is Outcome.PASS else verdict.failure_class.value
    assert found == case["verdict"], verdict
    assert case.get("reason", "") in verdict.reason


@pytest.mark.parametrize("name", ["clean-kexec", "clean-cold"])
def test_the_phases_of_a_real_reboot_are_all_known_and_add_up(name):
    phases = judge(name, read_events(TRANSCRIPTS / f"{name}.jsonl.gz")).cycles[0].judgement.phases
    parts = [phases.shutdown_s, phases.handoff_s, phases.kernel_s, phases.initrd_s, phases.userspace_s]
    assert all(part is not None and part > 0 for part in parts)
    assert sum(parts) == pytest.approx(phases.total_s)


def test_a_real_soft_reboot_has_neither_hand_off_nor_kernel_nor_initramfs():
    phases = (
        judge("clean-soft-reboot", read_events(TRANSCRIPTS / "clean-soft-reboot.jsonl.gz")).cycles[0].judgement.phases
    )
    assert (phases.handoff_s, phases.kernel_s, phases.initrd_s) == (None, None, None)
    assert phases.shutdown_s > 0
    assert phases.userspace_s > 0
    assert phases.shutdown_s + phases.userspace_s == pytest.approx(phases.total_s)


@pytest.mark.parametrize("name", CASES)
def test_the_console_byte_by_byte_gives_the_same_verdict(name):
    events = read_events(TRANSCRIPTS / f"{name}.jsonl.gz")
    pieces = [
        piece
        for event in events
        for piece in (
            [ConsoleData(event.t, char) for char in event.text] if isinstance(event, ConsoleData) else [event]
        )
    ]
    whole, split = judge(name, events), judge(name, pieces)
    assert split.cycles[0].judgement.verdict == whole.cycles[0].judgement.verdict
    assert split.cycles[0].judgement.phases == whole.cycles[0].judgement.phases
