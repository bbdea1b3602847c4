"""Deadlines: what they learn, and what a machine's state does to them."""

from __future__ import annotations

import pytest
from reboots import JUMP, SHUTDOWN, TRIGGER, evidence, kexec

from harness.classify.classifier import classify
from harness.classify.milestones import Progress
from harness.classify.pulse import Pulse
from harness.clock import ManualClock
from harness.cycle import watch
from harness.deadlines import DEAD_S, EMULATED, PATIENCE, Deadlines, Limit, Vigil
from harness.model import BootPath, ConsoleData, EndReason, Event, FailureClass, Heartbeat, Milestone, Stage, Vcpu
from harness.qemu.replay import ReplayMachine

KEXEC, FIRMWARE = BootPath.KEXEC, BootPath.FIRMWARE
JUMPED = 104.0
PATH_TO_JUMP = [TRIGGER, *SHUTDOWN, *JUMP]
IP = 0xFFFFFFFF81000000


def boot(handoff_s: float = 3.0, userspace_s: float = 10.0) -> dict[Milestone, float]:
    at = {Milestone.TRIGGER: 0.0, Milestone.SHUTDOWN_DONE: 5.0, Milestone.HANDOFF: 6.0}
    kernel = 6.0 + handoff_s
    at |= {Milestone.KERNEL: kernel, Milestone.INIT: kernel + 3, Milestone.SYSTEMD: kernel + 6}
    return {**at, Milestone.READY: kernel + 6 + userspace_s}


def learnt(*boots: dict[Milestone, float], path: BootPath = KEXEC) -> Deadlines:
    deadlines = Deadlines()
    for milestones in boots:
        deadlines.learn(milestones, path)
    return deadlines


def beats(
    start: float,
    seconds: int,
    *,
    on_cpu: float = 1.0,
    waiting: float = 0.0,
    step: int = 0,
    disk: int = 0,
    **more: object,
) -> list[Event]:
    """A heartbeat a second of a machine with one vCPU; `step`: bytes of code that it moves on from one to the next."""
    found: list[Event] = []
    for i in range(seconds):
        vcpu = Vcpu(on_cpu * i, waiting * i, f"{IP + step * i:x}", **{"halted": False, "interrupts": True, **more})
        found.append(Heartbeat(start + i, 2.0 + i, "running", disk_operations=disk * i, vcpus=(vcpu,)))
    return found


def ended(events: list[Event], deadlines: Deadlines) -> tuple[float, str]:
    """Seconds from the last milestone to giving up, and why, of a kexec that ends in silence."""
    watched = watch(ReplayMachine(events, ManualClock(100.0)), Progress("old"), deadlines, path=KEXEC)
    assert watched.ended_by is EndReason.DEADLINE
    return watched.given_up.after_s, watched.given_up.note


# ---- learning ----------------------------------------------------------------------------------------------


def test_before_anything_is_known_there_is_patience():
    assert Deadlines().limit(Milestone.HANDOFF, KEXEC).silent_s == PATIENCE[Stage.HANDOFF].first_s


def test_an_emulated_decompressor_is_given_more_time_and_nothing_else_is():
    fast, emulated = learnt(*[boot(2.0)] * 50), Deadlines(emulated=True)
    for milestones in [boot(2.0)] * 50:
        emulated.learn(milestones, KEXEC)
    assert emulated.limit(Milestone.HANDOFF, KEXEC).spin_s == EMULATED[Stage.HANDOFF].spin_floor_s
    assert emulated.limit(Milestone.HANDOFF, KEXEC).silent_s == EMULATED[Stage.HANDOFF].floor_s
    assert emulated.limit(Milestone.KERNEL, KEXEC) == fast.limit(Milestone.KERNEL, KEXEC)


def test_a_fast_cell_is_given_up_at_the_floor_and_never_sooner():
    deadlines = learnt(*[boot(2.0)] * 50)
    assert deadlines.limit(Milestone.HANDOFF, KEXEC).silent_s == PATIENCE[Stage.HANDOFF].floor_s


def test_one_boot_does_not_make_a_rule():
    slow, fast = learnt(boot(9.0)), learnt(*[boot(9.0)] * 60)
    assert slow.limit(Milestone.HANDOFF, KEXEC).silent_s == PATIENCE[Stage.HANDOFF].first_s
    assert fast.limit(Milestone.HANDOFF, KEXEC).silent_s == PATIENCE[Stage.HANDOFF].floor_s


def test_a_cell_that_varies_gets_more_time_than_one_that_does_not():
    even = learnt(*[boot(20.0)] * 20).limit(Milestone.HANDOFF, KEXEC).silent_s
    uneven = learnt(*[boot(12.0), boot(33.0)] * 10).limit(Milestone.HANDOFF, KEXEC).silent_s
    assert 40 <= even < 60 < uneven <= 120


def test_a_slow_cell_has_at_least_twice_its_longest_time():
    assert learnt(*[boot(100.0)] * 40).limit(Milestone.HANDOFF, KEXEC).silent_s >= 200


def test_the_way_through_firmware_teaches_nothing_of_a_jump():
    deadlines = learnt(*[boot(40.0)] * 30, path=FIRMWARE)
    assert deadlines.limit(Milestone.HANDOFF, KEXEC).n == 0
    assert deadlines.limit(Milestone.HANDOFF, FIRMWARE).n == 30
    # Once a kernel runs, both ways are the same.
    assert deadlines.limit(Milestone.SYSTEMD, KEXEC).n == 30


def test_a_hang_before_the_first_kernel_line_is_known_long_before_a_slow_userspace():
    deadlines = learnt(*[boot()] * 10)
    jump, userspace = (deadlines.limit(after, KEXEC).silent_s for after in (Milestone.HANDOFF, Milestone.SYSTEMD))
    assert 4 * jump <= userspace


def test_the_table_has_a_line_for_each_limit_with_what_it_was_learnt_from():
    table = learnt(boot(2.4), boot(3.1)).table().splitlines()
    [line] = [line for line in table if "after handoff" in line]
    assert "took 2.4-3.1 s in 2" in line
    assert "spinning 15 s, silent 120 s, busy 240 s" in line
    assert len(table) == 6
    assert Deadlines().table() == ""


# ---- states ------------------------------------------------------------------------------------------------

KNOWN = learnt(*[boot(3.0)] * 10)


def test_silence_of_which_nothing_is_known_ends_at_the_limit():
    after, note = ended(PATH_TO_JUMP, KNOWN)
    assert after == pytest.approx(30)
    assert note == "this cell took 3.0 s so far"


def test_a_machine_at_work_gets_longer():
    assert ended([*PATH_TO_JUMP, *beats(106.0, 200, step=100_000)], KNOWN)[0] == pytest.approx(60, abs=1)
    assert ended([*PATH_TO_JUMP, *beats(106.0, 200, disk=5)], KNOWN)[0] == pytest.approx(60, abs=1)


def test_what_stops_working_loses_what_it_was_granted():
    after, _ = ended([*PATH_TO_JUMP, *beats(106.0, 20, step=100_000)], KNOWN)
    assert after == pytest.approx(30, abs=1)


def test_spinning_in_place_is_given_up_sooner_but_a_checksum_is_waited_for():
    after, note = ended([*PATH_TO_JUMP, *beats(106.0, 200, step=8)], KNOWN)
    # 15 s from the first heartbeat in the place, 2 s after the jump.
    assert after == pytest.approx(17, abs=1)
    assert f"spinning in place ({IP:x}-" in note
    slow = learnt(*[boot(20.0)] * 10)
    assert ended([*PATH_TO_JUMP, *beats(106.0, 200, step=8)], slow)[0] > 3 * 15


def test_halted_with_interrupts_off_is_dead_at_once():
    after, note = ended([*PATH_TO_JUMP, *beats(106.0, 60, on_cpu=0, halted=True, interrupts=False)], KNOWN)
    assert after == pytest.approx(2 + DEAD_S, abs=1)
    assert "halted with interrupts off for 5 s" in note


def test_one_vcpu_that_is_parked_says_nothing_of_the_other():
    events = []
    for beat in beats(106.0, 200, step=100_000):
        parked = Vcpu(0.0, 0.0, "fd09a", halted=True, interrupts=False)
        events.append(Heartbeat(beat.t, beat.silent_s, "running", vcpus=(*beat.vcpus, parked)))
    assert ended([*PATH_TO_JUMP, *events], KNOWN)[0] > 50


def test_an_idle_userspace_may_wait_for_its_jobs():
    events = kexec()[:-1]
    idle = beats(116.0, 300, on_cpu=0.01, halted=True)
    after, note = ended([*events, *idle], KNOWN)
    assert after == pytest.approx(PATIENCE[Stage.USERSPACE].floor_s, abs=2)
    assert "idle, waiting for an interrupt" in note


def test_time_that_the_host_took_is_given_back():
    starved = beats(106.0, 300, on_cpu=0.1, waiting=0.9, step=100_000)
    after, note = ended([*PATH_TO_JUMP, *starved], KNOWN)
    assert after > 200
    assert "the host held it up" in note


def test_a_host_that_gives_nothing_at_all_does_not_hold_up_the_campaign_for_good():
    assert ended([*PATH_TO_JUMP, *beats(106.0, 4000, on_cpu=0, waiting=1.0)], KNOWN)[0] == pytest.approx(300, abs=2)


def test_the_reason_says_what_was_waited_for_and_what_was_usual():
    watched = watch(ReplayMachine(PATH_TO_JUMP, ManualClock(100.0)), Progress("old"), KNOWN, path=KEXEC)
    given = watched.given_up
    judged = classify(
        evidence(list(watched.events), ended_by=watched.ended_by, deadline_s=given.after_s, deadline_note=given.note)
    )
    assert judged.verdict.failure_class is FailureClass.HANG_BEFORE_KERNEL
    assert judged.verdict.reason == "no line of the new kernel within 30 s after handoff; this cell took 3.0 s so far"


@pytest.mark.parametrize(
    ("beat", "expected"),
    [
        (Heartbeat(125.0, 20.0, "internal-error"), FailureClass.KVM_INTERNAL_ERROR),
        (Heartbeat(125.0, 20.0, unanswered_s=16.0), FailureClass.QEMU_HANG),
    ],
)
def test_a_qemu_that_fails_is_no_failure_of_the_guest(beat, expected):
    watched = watch(ReplayMachine([*PATH_TO_JUMP, beat], ManualClock(100.0)), Progress("old"), Deadlines(), path=KEXEC)
    judged = classify(evidence(list(watched.events), ended_by=watched.ended_by))
    assert judged.verdict.failure_class is expected


def test_a_word_on_the_console_ends_every_suspicion():
    pulse = Pulse()
    for beat in beats(106.0, 10, on_cpu=0, halted=True, interrupts=False):
        pulse.feed(beat)
    pulse.feed(ConsoleData(120.0, "x"))
    limit = Limit(path=KEXEC, after=Milestone.HANDOFF, silent_s=30, busy_s=60, spin_s=15)
    assert Vigil(limit, pulse, JUMPED).given_up(121.0) is None
