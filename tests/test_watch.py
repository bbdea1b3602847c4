"""Watching a boot on real sockets: how soon a verdict is there, and what a silent or a noisy machine costs."""

from __future__ import annotations

import resource
import time

import pytest
from fake_machines import READY, fake_machine

from harness import deadlines
from harness.classify.console import ConsoleReader
from harness.classify.milestones import Progress
from harness.clock import Deadline, ManualClock, pause
from harness.cycle import Watched, drain, watch
from harness.deadlines import Deadlines
from harness.model import ConsoleData, EndReason, Gap, Heartbeat, Milestone, ProcessExit, QmpEvent
from harness.qemu import backlog
from harness.qemu.replay import ReplayMachine
from harness.store import console_bytes

LINUX = ("console", "[    0.000000] Linux version 6.12.0-amd64 (debian-kernel@lists.debian.org)\r\n")
PANIC = (
    "console",
    (
        "[    1.000000] Kernel panic - not syncing: Attempted to kill init!\r\n"
        "[    1.000100] CPU: 0 PID: 1 Comm: init Not tainted 6.12.0-amd64 #1\r\n"
    ),
)


@pytest.fixture
def boot(settings, tmp_path):
    """Watches a machine that plays these steps."""
    machines = []

    def run(*steps: tuple[str, object]) -> Watched:
        machine = fake_machine(settings(), tmp_path, list(steps))
        machines.append(machine)
        machine.power_on()
        return watch(machine, Progress(None), Deadlines())

    yield run
    for machine in machines:
        machine.close()


def test_text_that_decides_has_its_verdict_within_a_second(boot):
    watched = boot(LINUX, ("wait", 0.3), PANIC)
    over = time.monotonic()
    assert watched.ended_by is EndReason.FATAL
    assert over - watched.progress.ending.t < 1.0


def test_ready_is_known_at_once(boot):
    watched = boot(LINUX, ("wait", 0.2), ("agent", READY))
    over = time.monotonic()
    assert watched.ended_by is EndReason.READY
    assert over - watched.progress.at[Milestone.READY] < 0.5


def test_a_machine_halted_for_good_is_given_up_long_before_a_silent_one(boot):
    watched = boot(LINUX, ("dead", None))
    assert watched.ended_by is EndReason.DEADLINE
    assert watched.given_up.after_s < 12
    assert "halted with interrupts off" in watched.given_up.note


def test_an_internal_error_of_qemu_ends_the_watch_with_the_first_heartbeat(boot):
    watched = boot(LINUX, ("status", "internal-error"))
    assert watched.given_up.after_s < 6
    assert "internal-error" in watched.given_up.note


def test_a_qemu_that_does_not_answer_is_told_from_a_silent_guest(boot, monkeypatch):
    monkeypatch.setattr(deadlines, "QEMU_HUNG_S", 4.0)
    watched = boot(LINUX, ("wait", 0.2), ("stop", None))
    assert watched.ended_by is EndReason.DEADLINE
    assert "QEMU did not answer" in watched.given_up.note
    assert watched.given_up.after_s < 20


def test_silence_has_heartbeats_and_talk_has_none(boot):
    beats = [event for event in boot(LINUX, ("wait", 4.5), PANIC).events if isinstance(event, Heartbeat)]
    assert 1 <= len(beats) <= 4
    assert beats[0].silent_s >= 2
    assert (beats[-1].runstate, beats[-1].disk_operations) == ("running", 6)
    assert (beats[-1].vcpus[0].ip, beats[-1].vcpus[0].interrupts) == ("ffffffff81000000", True)
    talk = boot(*[step for _ in range(10) for step in (LINUX, ("wait", 0.3))], PANIC)
    assert not [event for event in talk.events if isinstance(event, Heartbeat) and event.runstate]


def test_a_flood_is_read_to_its_end_and_not_kept(boot):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    watched = boot(LINUX, ("flood", 20), PANIC)
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert watched.progress.ending is not None
    kept = console_bytes(watched.events)
    gaps = [event for event in watched.events if isinstance(event, Gap)]
    assert len(gaps) == 1
    assert len(kept) < 17 << 20
    assert kept.startswith(LINUX[1].encode())
    assert kept.endswith(PANIC[1].encode())
    assert grown_mib < 100


def test_bytes_that_come_close_upon_each_other_are_read_together(boot):
    events = boot(LINUX, ("drip", 5000), PANIC).events
    assert console_bytes(events).count(b"#noise 012345\r\n ") == 5000
    assert sum(isinstance(event, ConsoleData) for event in events) < 5000 / 4


@pytest.mark.parametrize("pause_s", [0.0005, 0.01])
def test_what_comes_on_another_channel_stays_behind_what_the_console_said_before_it(boot, pause_s):
    reset = (
        '{"event":"RESET","data":{"guest":true,"reason":"guest-reset"},"timestamp":{"seconds":1,"microseconds":0}}\n'
    )
    said = [("console", f"[    {n}.000000] before {n}\r\n") for n in range(1, 50)]
    steps = [step for text in said for step in (text, ("qmp", reset), ("wait", pause_s))]
    watched = boot(LINUX, *steps, PANIC)
    resets = [n for n, event in enumerate(watched.events) if isinstance(event, QmpEvent) and event.name == "RESET"]
    assert len(resets) == len(said)
    for n, at in enumerate(resets, 1):
        assert f"before {n}\r\n".encode() in console_bytes(watched.events[:at])
    assert [event.t for event in watched.events] == sorted(event.t for event in watched.events)


def test_what_is_printed_while_a_heartbeat_is_waited_for_is_not_dated_back_to_its_question(boot):
    talk = [step for n in range(1200) for step in (("console", f"line {n}\r\n"), ("wait", 0.001))]
    events = boot(LINUX, ("slow", 0.7), ("wait", 2.3), *talk, PANIC).events
    assert any(isinstance(event, Heartbeat) for event in events)
    said = [event.t for event in events if isinstance(event, ConsoleData)]
    assert said == sorted(said)


def test_a_reset_stays_behind_the_text_before_it_in_a_flood_that_has_to_wait(boot):
    last = ("console", "[   20.000000] reboot: Restarting system\r\n")
    reset = '{"event":"RESET","data":{"guest":true},"timestamp":{"seconds":1,"microseconds":0}}\n'
    events = boot(LINUX, ("flood", 6), last, ("qmp", reset), ("wait", 0.5), PANIC).events
    [at] = [n for n, event in enumerate(events) if isinstance(event, QmpEvent) and event.name == "RESET"]
    assert "Restarting system" in console_bytes(events[:at]).decode("latin-1")


def leave_unread(machine):
    """As while a script is waited for: nothing is looked at until the guest has been made to wait for long enough."""
    deadline = Deadline.after(machine.clock, 60)
    while machine.held_up_s < 1.0 and not deadline.expired():
        pause(0.1)
    pause(1.0)


def test_a_chatty_channel_opens_no_way_around_the_consoles_bound(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(backlog, "READER_S", 1.0)
    chatter = [step for _ in range(1500) for step in (("console", "x" * 4096), ("agent", '\x1e{"type":"x"}\n'))]
    machine = fake_machine(settings(), tmp_path, [LINUX, *chatter])
    try:
        machine.power_on()
        leave_unread(machine)
        kept = console_bytes(drain(machine))
    finally:
        machine.close()
    assert b"are not kept" in kept
    assert len(kept) < backlog.MAX_BYTES + (1 << 18)


def test_a_flood_that_nobody_reads_holds_up_neither_the_guest_nor_its_report(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(backlog, "READER_S", 1.0)
    machine = fake_machine(settings(), tmp_path, [LINUX, ("flood", 12), ("agent", READY)])
    try:
        machine.power_on()
        leave_unread(machine)
        watched = watch(machine, Progress(None), Deadlines())
    finally:
        machine.close()
    assert watched.ended_by is EndReason.READY
    assert any(isinstance(event, Gap) and event.of == "console" for event in watched.events)


@pytest.mark.parametrize("prompt", [False, True])
def test_a_line_that_arrives_in_pieces_is_looked_at_now_and_then_and_when_it_stands_still(monkeypatch, prompt):
    looks = []
    peek = ConsoleReader.peek
    monkeypatch.setattr(ConsoleReader, "peek", lambda self: looks.append(self) or peek(self))
    boot = [ConsoleData(0.0, LINUX[1]), ConsoleData(0.1, "[    1.000000] Run /init as init process\r\n")]
    pieces = [ConsoleData(1.0 + number / 10_000, "x") for number in range(20_000)]
    last = [ConsoleData(3.1, "\r\n(initramfs) ")] if prompt else [ProcessExit(3.1, 0)]
    watched = watch(ReplayMachine([*boot, *pieces, *last], ManualClock()), Progress(None), Deadlines())
    assert watched.ended_by is (EndReason.FATAL if prompt else EndReason.EXIT)
    assert len(looks) < 50
