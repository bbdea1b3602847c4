"""Guests that lie, and text that only looks like what it says: nobody gets a verdict by printing it."""

from __future__ import annotations

import base64

import pytest
from msgspec import structs
from reboots import BOOT, JUMP, NONCE, SHUTDOWN, THROUGH_FIRMWARE, TRIGGER, cold, evidence, kexec, ready, reset, text

from harness.classify.classifier import classify
from harness.classify.milestones import Progress
from harness.cycle import watch
from harness.deadlines import Deadlines
from harness.model import (
    AgentMessage,
    BootPath,
    CommandSent,
    DeviceFinding,
    EndReason,
    FailureClass,
    FirmwareData,
    Outcome,
    QmpEvent,
)
from harness.qemu.replay import ReplayMachine

KEXEC_READY = {"bootloader_type": 208, "cmdline_nonce": NONCE}


def verdict(events, method="kexec", ended_by=EndReason.READY, **more):
    return classify(evidence(events, method, ended_by, **more)).verdict


def asked(t, *, boot_id="new", uptime=13.0, nonce=NONCE, took=0.2):
    """The running system, asked who it is, and what it answers."""
    output = base64.b64encode(f"boot {boot_id} {uptime} {nonce}\nok driver bound\n".encode()).decode()
    return [
        CommandSent(t, 9, "device-after", "..."),
        AgentMessage(t + took, {"type": "reply", "id": 9, "status": 0, "output": output}),
    ]


def test_an_honest_guest_passes_when_asked_who_it_is():
    assert verdict([*kexec(), *asked(120.0)]).outcome is Outcome.PASS
    assert verdict([*cold(), *asked(122.0, uptime=15.0, nonce="")], "cold").outcome is Outcome.PASS


def test_a_check_of_devices_that_takes_long_makes_nobody_a_liar():
    assert verdict([*kexec(), *asked(120.0, took=90.0)]).outcome is Outcome.PASS


def test_a_forged_report_is_disowned_by_the_system_that_runs():
    """Everything forged while the old system stays up; its shell, asked, says the truth."""
    judged = verdict([*kexec(), *asked(120.0, boot_id="old", uptime=500.0, nonce="")])
    assert (judged.outcome, judged.failure_class) == (Outcome.FAIL, FailureClass.PROOF_CONFLICT)


def test_a_report_of_another_boot_than_the_one_that_runs_is_disowned():
    judged = verdict([*kexec(), *asked(120.0, boot_id="third")])
    assert (judged.failure_class, judged.rule) == (FailureClass.PROOF_CONFLICT, "report-disowned")


def test_a_report_forged_before_the_real_hand_off_is_disowned_by_the_system_that_comes_up_later():
    """The agent is being stopped and answers nothing; then the real kernel starts, and its agent speaks."""
    hello = AgentMessage(150.0, {"type": "hello", "boot_id": "the real one"})
    no_answer = DeviceFinding("answer", ok=False, detail="the guest agent did not answer within 180 s")
    judged = verdict([*kexec(), hello], findings=(no_answer,))
    assert (judged.failure_class, judged.rule) == (FailureClass.PROOF_CONFLICT, "report-disowned")


def test_a_first_line_forged_long_before_the_kernel_started_is_found_out_by_its_uptime():
    judged = verdict([*kexec(), *asked(120.0, uptime=1.0)])
    assert (judged.failure_class, judged.rule) == (FailureClass.PROOF_CONFLICT, "kernel-start")


def test_a_command_line_that_the_report_forges_is_found_out():
    judged = verdict([*kexec(), *asked(120.0, nonce="")])
    assert (judged.failure_class, judged.path) == (FailureClass.PROOF_CONFLICT, BootPath.CONFLICT)


@pytest.mark.parametrize("nonsense", ["", "?", base64.b64encode(b"boot").decode(), None, 7])
def test_an_answer_that_makes_no_sense_never_raises(nonsense):
    events = [*kexec(), *asked(120.0)]
    events[-1] = AgentMessage(120.2, {"type": "reply", "id": 9, "status": 0, "output": nonsense})
    assert verdict(events).path is BootPath.KEXEC


def test_a_jump_that_a_program_prints_before_a_cold_reboot_is_a_conflict_and_no_reset_too_many():
    forged = text(101.0, "[   19.000000] kexec_core: Starting new kernel")
    trigger, *rest = cold()
    judged = verdict([trigger, forged, *rest], "cold")
    assert (judged.failure_class, judged.rule) == ("proof_conflict", "channels-disagree")


def test_the_resets_of_firmware_belong_to_the_one_that_was_held_however_long_it_was():
    """SeaBIOS takes the first one for a resume, and resets once more."""
    announced = text(103.9, "[   20.100000] reboot: Restarting system")
    held = QmpEvent(104.0, "SHUTDOWN", {"guest": True, "reason": "guest-reset"})
    goes_on = QmpEvent(109.4, "RESET", {"guest": False, "reason": "host-qmp-system-reset"})
    resumes = FirmwareData(109.41, "In resume (status=0)\nAttempting a hard reboot\n")
    through = [announced, held, goes_on, resumes, reset(109.43), FirmwareData(109.5, "SeaBIOS (version 1.16.2)\n")]
    boot = [structs.replace(event, t=event.t + 5) for event in BOOT]
    judged = verdict([TRIGGER, *SHUTDOWN, *through, *boot, ready(125.0)])
    assert (judged.failure_class, judged.path) == (FailureClass.FELL_BACK_TO_FIRMWARE, BootPath.FIRMWARE)


def test_a_reset_that_was_held_is_a_reset():
    held = QmpEvent(104.0, "SHUTDOWN", {"guest": True, "reason": "guest-reset"})
    through = [held if isinstance(event, QmpEvent) else event for event in cold()]
    judged = verdict(through)
    assert (judged.path, judged.failure_class) == (BootPath.FIRMWARE, FailureClass.FELL_BACK_TO_FIRMWARE)


# ---- text and what takes it back ----------------------------------------------------------------------------------

UP = [*kexec()[:-1]]


def panic(t, time, said="Fatal exception"):
    return text(t, f"[   {time:.6f}] Kernel panic - not syncing: {said}")


def test_a_panic_in_the_new_kernel_before_userspace_is_an_early_one_with_its_place():
    judged = verdict([TRIGGER, *SHUTDOWN, *JUMP, BOOT[0], panic(108, 1.1)], ended_by=EndReason.FATAL)
    assert (judged.failure_class, judged.stage, judged.blame) == ("early_panic", "kernel", "incoming_kernel")
    console = "".join(event.text for event in [*SHUTDOWN, *JUMP, BOOT[0], panic(108, 1.1)])
    assert console[judged.span.offset : judged.span.offset + judged.span.length] == judged.evidence
    assert judged.span.line == console[: judged.span.offset].count("\n") + 1


def test_the_span_counts_what_the_log_holds_before_the_trigger():
    judged = verdict(
        [TRIGGER, *SHUTDOWN, *JUMP, BOOT[0], panic(108, 1.1)],
        ended_by=EndReason.FATAL,
        console_offset=1000,
        console_newlines=10,
    )
    assert judged.span.offset > 1000
    assert judged.span.line == 15


def test_a_panic_of_the_old_kernel_is_the_old_kernels_even_if_the_machine_comes_up_through_firmware():
    judged = verdict([TRIGGER, *SHUTDOWN, panic(103.6, 20.15), *THROUGH_FIRMWARE[1:], *BOOT, ready(122)], "cold")
    assert (judged.failure_class, judged.blame) == ("outgoing_kernel_crash", "outgoing_kernel")


def test_a_panic_before_a_reset_is_not_taken_back_by_the_boot_after_it():
    again = [reset(111.0), *[text(event.t + 8, event.text.strip()) for event in BOOT], ready(130.0, **KEXEC_READY)]
    judged = verdict([TRIGGER, *SHUTDOWN, *JUMP, BOOT[0], panic(108, 1.1), *again])
    assert judged.failure_class is FailureClass.EARLY_PANIC


def test_the_last_boots_panic_printed_by_a_program_is_an_old_log():
    earlier = panic(118, 3.0)
    later = panic(118, 400.0)
    for old in (earlier, later):
        assert verdict([*UP, old], ended_by=EndReason.DEADLINE, deadline_s=5.0).failure_class is FailureClass.NO_READY
        assert verdict([*UP, old, kexec()[-1]]).outcome is Outcome.PASS


def test_a_panic_at_the_right_time_is_taken_back_by_a_unit_that_starts_after_it():
    forged = panic(118, 11.0)
    started = text(119, "[  OK  ] Started ssh.service - OpenBSD Secure Shell server.")
    assert verdict([*UP, forged], ended_by=EndReason.FATAL).failure_class is FailureClass.KERNEL_PANIC
    assert verdict([*UP, forged, started, kexec()[-1]]).outcome is Outcome.PASS
    assert verdict([*UP, forged, started], ended_by=EndReason.DEADLINE).failure_class is FailureClass.NO_READY


def test_a_panic_that_the_agent_survives_is_none():
    answered = AgentMessage(118.3, {"type": "reply", "id": 6, "status": 0, "output": ""})
    assert (
        verdict([*UP, panic(118, 11.0), answered], ended_by=EndReason.DEADLINE).failure_class is FailureClass.NO_READY
    )


def test_emergency_mode_is_not_taken_back_by_an_agent_that_answers():
    emergency = text(117, "You are in emergency mode. After logging in, type ...")
    answered = AgentMessage(118.3, {"type": "hello", "boot_id": "new"})
    assert verdict([*UP, emergency, answered], ended_by=EndReason.FATAL).failure_class is FailureClass.EMERGENCY_MODE


def test_whoever_answers_a_question_asked_after_the_text_is_in_no_emergency():
    emergency = text(117, "You are in emergency mode. After logging in, type ...")
    asked_and_answered = [
        CommandSent(117.1, 6, "ping", ":"),
        AgentMessage(117.4, {"type": "reply", "id": 6, "status": 0, "output": ""}),
    ]
    assert verdict([*UP, emergency, *asked_and_answered, kexec()[-1]]).outcome is Outcome.PASS


def test_a_machine_that_halts_says_so_and_one_that_only_talks_of_it_goes_on():
    halted = text(103.6, "[   20.150000] reboot: System halted")
    stopped = verdict([TRIGGER, *SHUTDOWN, halted], "cold", EndReason.DEADLINE)
    assert stopped.failure_class is FailureClass.POWERED_OFF
    assert verdict([TRIGGER, halted, *SHUTDOWN, *THROUGH_FIRMWARE, *BOOT, ready(122)], "cold").outcome is Outcome.PASS


@pytest.mark.parametrize(
    "line",
    [
        "Nov 25 03:00:00 guest kernel: [   11.000000] Kernel panic - not syncing: syslog",
        "[   11.000000] guest kernel: Kernel panic - not syncing: journalctl -o short-monotonic",
        "[   11.000000] mydaemon[1]: Kernel panic - not syncing",
        "# echo 'Kernel panic - not syncing'",
        "(initramfs) ",
        "-- System halted",
        "ALERT!  LABEL=x does not exist.  Dropping to a shell!",
        "error: file `/boot/grub/i386-pc/normal.mod' not found.",
    ],
)
def test_text_at_the_wrong_place_ends_nothing(line):
    judged = verdict([*UP, text(118, line)], ended_by=EndReason.DEADLINE)
    assert judged.failure_class is FailureClass.NO_READY
    assert verdict([*UP, text(118, line), kexec()[-1]]).outcome is Outcome.PASS


# ---- oopses and warnings, new and old ------------------------------------------------------------------------------

WARNING = text(112, "[    4.000000] WARNING: CPU: 1 PID: 77 at drivers/gpu/drm/x.c:12 x_probe+0x10/0x20 [drm]")
AT = text(112.1, "[    4.100000] RIP: 0010:x_probe+0x10/0x20 [drm]")


def with_warning():
    return [*kexec()[:-2], WARNING, AT, *kexec()[-2:]]


def test_a_warning_that_no_cold_boot_has_fails_the_cycle_and_a_known_one_does_not():
    judged = classify(evidence(with_warning()))
    assert (judged.verdict.failure_class, judged.verdict.blame) == ("kernel_warning", "incoming_kernel")
    [signature] = judged.signatures
    assert "x_probe" in signature
    assert verdict(with_warning(), baseline=frozenset({signature})).outcome is Outcome.PASS


def test_a_signature_does_not_depend_on_numbers_that_change():
    other = text(112, "[    3.900000] WARNING: CPU: 0 PID: 1234 at drivers/gpu/drm/x.c:12 x_probe+0x10/0x20 [drm]")
    events = [*kexec()[:-2], other, AT, *kexec()[-2:]]
    assert classify(evidence(events)).signatures == classify(evidence(with_warning())).signatures


def test_an_oops_explains_a_boot_that_got_stuck_and_a_warning_does_not():
    oops = text(115, "[    7.000000] BUG: kernel NULL pointer dereference, address: 0000000000000008")
    stuck = [*UP, oops]
    assert verdict(stuck, ended_by=EndReason.DEADLINE).failure_class is FailureClass.KERNEL_OOPS
    assert verdict([*with_warning()[:-1]], ended_by=EndReason.DEADLINE).failure_class is FailureClass.NO_READY


def test_a_warning_of_the_old_kernel_is_the_old_kernels():
    old = text(103.4, "[   20.050000] WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x1/0x2")
    judged = verdict([TRIGGER, *SHUTDOWN, old, *kexec()[2:]])
    assert (judged.failure_class, judged.blame) == ("kernel_warning", "outgoing_kernel")


def test_a_stall_counts_unless_the_host_did_not_let_the_guest_run():
    stall = text(115, "[    7.000000] rcu: INFO: rcu_preempt self-detected stall on CPU")
    events = [*UP, stall, kexec()[-1]]
    assert verdict(events, vcpu_s=15.0, vcpu_wait_s=2.0).failure_class is FailureClass.RCU_STALL
    starved = verdict(events, vcpu_s=5.0, vcpu_wait_s=14.0)
    assert (starved.outcome, starved.blame, starved.rule) == (Outcome.INVALID, "host", "host-starved")


# ---- resets, the watchdog, the power switch ------------------------------------------------------------------------


def test_a_machine_that_is_reset_again_and_again_is_in_a_loop():
    loop = [event for at in (130, 160, 190) for event in (reset(float(at)), text(at + 3.0, BOOT[0].text.strip()))]
    judged = verdict([*cold()[:-1], *loop], "cold", EndReason.FATAL)
    assert judged.failure_class is FailureClass.REBOOT_LOOP


def test_a_watchdog_that_steps_in_is_named():
    barked = QmpEvent(150.0, "WATCHDOG", {"action": "reset"})
    judged = verdict([*kexec()[:-1], barked, reset(150.0), *BOOT, ready(180.0)])
    assert judged.failure_class is FailureClass.WATCHDOG_RESCUE


def test_a_machine_that_is_switched_off_did_not_reboot():
    off = QmpEvent(104.0, "SHUTDOWN", {"guest": True, "reason": "guest-shutdown"})
    assert verdict([TRIGGER, *SHUTDOWN, off], ended_by=EndReason.FATAL).failure_class is FailureClass.POWERED_OFF


def test_a_hang_after_userspaces_last_act_is_the_kernels():
    judged = verdict([TRIGGER, *SHUTDOWN, JUMP[0]], ended_by=EndReason.DEADLINE)
    assert (judged.failure_class, judged.blame) == ("device_shutdown_hang", "outgoing_kernel")


def test_a_shutdown_that_is_held_up_names_its_holder():
    held = text(130, "[***   ] A stop job is running for Slow Daemon (28s / 1min 30s)")
    judged = verdict([TRIGGER, held], ended_by=EndReason.DEADLINE, deadline_s=120.0)
    assert judged.failure_class is FailureClass.SHUTDOWN_HANG
    assert "Slow Daemon" in judged.reason


def test_a_reboot_far_beyond_the_others_is_slow_unless_the_host_was_busy():
    assert verdict(kexec(), slow_above_s=15.0).failure_class is FailureClass.SLOW
    assert verdict(kexec(), slow_above_s=15.0, vcpu_wait_s=6.0).outcome is Outcome.PASS


def test_an_emulated_hand_off_makes_no_reboot_slow_and_hides_none():
    handoff_s = classify(evidence(kexec())).phases.handoff_s
    assert verdict(kexec(), slow_above_s=20.1 - handoff_s, emulated=True).outcome is Outcome.PASS
    assert verdict(kexec(), slow_above_s=19.9 - handoff_s, emulated=True).failure_class is FailureClass.SLOW
    assert verdict(kexec(), slow_above_s=20.1 - handoff_s).failure_class is FailureClass.SLOW


# ---- live: a panic that is only announced ---------------------------------------------------------------------------


def watched(events):
    return watch(ReplayMachine([TRIGGER, *events]), Progress("old"), Deadlines())


def test_a_panic_that_goes_on_as_panics_do_has_its_verdict_at_once():
    goes_on = text(118.01, "[   11.010000] CPU: 0 PID: 1 Comm: init Not tainted 6.12.0-amd64 #1")
    end = watched([*UP[1:], panic(118, 11.0), goes_on, text(125, "[   18.0] too late")])
    assert end.ended_by is EndReason.FATAL
    assert end.events[-1].t < 118.6


def test_a_panic_written_to_the_kernels_log_by_a_program_is_taken_back_by_the_boot_that_goes_on():
    started = text(120.5, "[  OK  ] Started ssh.service - OpenBSD Secure Shell server.")
    end = watched([*UP[1:], panic(118, 11.0), started, ready(121.0, **KEXEC_READY)])
    assert end.ended_by is EndReason.READY
    assert verdict([TRIGGER, *UP[1:], panic(118, 11.0), started, ready(121.0, **KEXEC_READY)]).outcome is Outcome.PASS


def test_a_panic_without_another_word_is_believed_in_the_end():
    end = watched([*UP[1:], panic(118, 11.0), text(140, "[   33.0] late")])
    assert end.ended_by is EndReason.FATAL
    assert end.events[-1].t < 124
