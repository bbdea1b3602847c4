"""Guests of scenarios: what they can be asked, and the one that a cell's tests share."""

from __future__ import annotations

import subprocess
from collections import deque

import pytest
from reboots import TRIGGER, evidence, text

from harness.artefacts.case import Wanted
from harness.artefacts.collect import Collector
from harness.classify.classifier import classify
from harness.clock import Deadline, ManualClock
from harness.cycle import CycleResult
from harness.errors import MachineError
from harness.guest import Guest
from harness.host.accel import AccelChoice
from harness.lab import device_sets, methods
from harness.model import (
    Accel,
    AgentMessage,
    Cell,
    CommandReply,
    CommandSent,
    ConsoleData,
    EndReason,
    Event,
    ProcessExit,
)
from harness.pytest_guests import Guests
from harness.reboot.base import command_line_with
from harness.store import read_events

CELL = Cell(image="debian-13", device_set="virtio-net")
OTHER_CELL = Cell(image="debian-12", device_set="virtio-net")
BOOT = (
    ConsoleData(1.0, "[    0.000000] Linux version 6.12.1\r\n"),
    AgentMessage(2.0, {"type": "ready", "boot_id": "one", "kernel_release": "6.12.1"}),
)


class StubMachine:
    """A machine that says what it is told to, and runs scripts on this host."""

    def __init__(self, *events: Event) -> None:
        self.clock = ManualClock()
        self.closed = False
        self._events = deque(events)

    def power_on(self) -> None:
        pass

    def next_event(self, deadline: Deadline) -> Event | None:
        if not self._events or self._events[0].t > deadline.at:
            self.clock.advance_to(deadline.at)
            return None
        self.clock.advance_to(self._events[0].t)
        return self._events.popleft()

    def run(self, script: str, *, purpose: str = "script", timeout: float = 1.0) -> CommandReply:
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        return CommandReply(done.returncode, done.stdout + done.stderr)

    def send(self, script: str, *, purpose: str) -> CommandSent:
        return CommandSent(self.clock.monotonic(), 1, purpose, script)

    def inspect(self) -> None:
        return None

    def close(self) -> None:
        self.closed = True


def guest_of(*events: Event) -> Guest:
    return Guest(StubMachine(*events), CELL, device_sets()["virtio-net"], methods(), 1)


def test_a_file_arrives_with_every_byte_and_its_mode(tmp_path):
    path, content = tmp_path / "it's a file", bytes(range(256)) * 500
    guest_of().put(str(path), content, mode=0o750)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (content, 0o750)


def test_a_file_that_cannot_be_written_says_why(tmp_path):
    with pytest.raises(MachineError, match=r"no/folder could not be written in the guest: .*"):
        guest_of().put(str(tmp_path / "no/folder"), b"x")


def test_the_end_of_a_system_is_its_last_words_or_that_of_qemu():
    said = ConsoleData(1.0, "Power "), ConsoleData(1.5, "down\r\n"), ConsoleData(2.0, "never read")
    assert guest_of(*said).end("halt", last_words="Power down") == "Power down\r\n"
    assert guest_of(said[0], ProcessExit(1.2, 0)).end("halt", last_words="Power down") == "Power "


def test_a_system_that_does_not_end_is_given_up():
    guest = guest_of(ConsoleData(1.0, "still here"))
    with pytest.raises(MachineError, match="did not end within 60 s; it said last: 'still here'"):
        guest.end("halt", last_words="Power down", timeout=60)
    assert not guest.is_up


def test_a_guest_that_never_comes_up_is_said_with_its_last_milestone():
    with pytest.raises(MachineError, match="did not come up; the last milestone was kernel"):
        guest_of(BOOT[0]).boot()


def test_the_next_kernels_command_line_has_this_nonce_and_no_earlier_one(tmp_path):
    cmdline = "BOOT_IMAGE=/vmlinuz root=LABEL=r ro kexec_load.once kexec_harness.nonce=old console=ttyS0\n"
    (tmp_path / "cmdline").write_text(cmdline)
    script = command_line_with("new").replace("/proc/cmdline", str(tmp_path / "cmdline"))
    script += 'printf "%s" "$command_line"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "root=LABEL=r ro console=ttyS0 kexec_harness.nonce=new"


# ---- the standing guest ----------------------------------------------------------------------------------------


class StubLab:
    accel = AccelChoice(Accel.TCG, "a test", proven=True)

    def __init__(self) -> None:
        self.made: list[StubMachine] = []

    def kernels(self, cell: Cell) -> None:
        return None

    def make_machine(self, cell: Cell) -> StubMachine:
        self.made.append(StubMachine(*BOOT, ConsoleData(2.0, "late")))
        return self.made[-1]


@pytest.fixture
def lab():
    return StubLab()


@pytest.fixture
def guests(lab, tmp_path):
    return Guests(lab, 1, tmp_path, lambda _: Collector(tmp_path, Wanted(), print))


def test_tests_of_a_cell_share_a_guest_and_those_of_another_do_not(guests, lab):
    first = guests.standing(CELL)
    assert guests.standing(CELL) is first
    assert guests.standing(OTHER_CELL) is not first
    assert [machine.closed for machine in lab.made] == [True, False]
    guests.close()
    assert all(machine.closed for machine in lab.made)


def test_a_guest_that_was_left_down_is_replaced(guests, lab):
    first = guests.standing(CELL)
    with pytest.raises(MachineError):
        first.end("halt", last_words="never said", timeout=5)
    assert guests.standing(CELL).is_up
    assert [machine.closed for machine in lab.made] == [True, False]


def test_after_a_failed_test_the_next_one_gets_a_new_guest(guests, lab):
    guests.standing(CELL)
    guests.discard_standing()
    guests.standing(CELL)
    assert [machine.closed for machine in lab.made] == [True, False]


def test_a_test_with_its_own_machine_has_no_other_running_beside_it(guests, lab):
    guests.standing(CELL)
    guests.boot(lab.make_machine(CELL), CELL)
    assert [machine.closed for machine in lab.made] == [True, False]


def test_a_failed_tests_guest_leaves_its_console_and_events(guests, tmp_path):
    assert guests.keep_last_words("nobody booted anything") is None
    guests.standing(CELL)
    said = guests.keep_last_words("test_it[debian-13/../x kexec]")
    folder = tmp_path / "test_it_debian-13_.._x_kexec"
    assert said.splitlines() == [
        f"its console, events and state: {folder}",
        "    [    0.000000] Linux version 6.12.1",
        "    late",
    ]
    assert (folder / "console.log").read_bytes() == b"[    0.000000] Linux version 6.12.1\r\nlate"
    assert read_events(folder / "events.jsonl.gz") == [*BOOT, ConsoleData(2.0, "late")]
    taken = (folder / "artefacts.txt").read_text().splitlines()
    assert taken[0] == "test_it[debian-13/../x kexec]: failed"
    assert {line.split()[0] for line in taken[2:]} >= {
        "registers.txt",
        "screen.png",
        "journal.txt",
        "qmp.jsonl",
        "argv.txt",
    }


def test_a_guest_that_does_not_boot_leaves_its_last_words_too(guests, lab, monkeypatch, tmp_path):
    monkeypatch.setattr(lab, "make_machine", lambda _: StubMachine(ConsoleData(1.0, "\x1b[2JKernel panic")))
    with pytest.raises(MachineError):
        guests.standing(CELL)
    # What a guest wrote does nothing to the terminal on which it is shown.
    assert guests.keep_last_words("t").endswith("\n    \\x1b[2JKernel panic")
    assert (tmp_path / "t" / "console.log").read_bytes() == b"\x1b[2JKernel panic"


def test_a_failed_tests_guest_says_how_its_last_reboot_went(guests):
    guest = guests.standing(CELL)
    seen = evidence(
        [TRIGGER, text(161.5, "reboot: Restarting system")],
        ended_by=EndReason.DEADLINE,
        deadline_note="it was silent",
        vcpu_s=12.0,
        vcpu_wait_s=3.5,
    )
    guest.cycles.append(CycleResult(seen, classify(seen), None, seen.events))
    assert guests.keep_last_words("t").splitlines()[1] == (
        "its last reboot was watched for 61.5 s; its vCPUs ran for 12.0 s and waited 3.5 s for the host; it was silent"
    )
