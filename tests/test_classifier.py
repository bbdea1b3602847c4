"""Verdicts: what a person is told about a reboot, for each way in which it can go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reboots import (
    BOOT,
    JUMP,
    NONCE,
    SHUTDOWN,
    THROUGH_FIRMWARE,
    TRIGGER,
    cold,
    died,
    evidence,
    kexec,
    ready,
    reset,
    text,
)

from harness.classify.classifier import classify
from harness.model import (
    AgentMessage,
    BootPath,
    ConsoleData,
    DeviceFinding,
    EndReason,
    FailureClass,
    Firmware,
    FirmwareData,
    Heartbeat,
    Milestone,
    Outcome,
    QmpEvent,
)


def verdict(events, method="kexec", ended_by=EndReason.READY, **more):
    return classify(evidence(events, method, ended_by, **more)).verdict


def test_a_kexec_that_goes_well_passes_with_five_agreeing_channels():
    judged = verdict(kexec())
    assert (judged.outcome, judged.path) == (Outcome.PASS, BootPath.KEXEC)
    assert {proof.channel for proof in judged.proofs if proof.path is BootPath.KEXEC} == {
        "qmp-reset",
        "firmware-output",
        "bootloader-type",
        "command-line",
        "kernel-log",
    }


def test_a_cold_reboot_that_goes_well_passes():
    judged = verdict(cold(), "cold")
    assert (judged.outcome, judged.failure_class, judged.path) == (Outcome.PASS, None, BootPath.FIRMWARE)


def test_phases_follow_one_another_and_add_up():
    phases = classify(evidence(cold(), "cold")).phases
    assert (phases.shutdown_s, phases.handoff_s, phases.kernel_s, phases.initrd_s, phases.userspace_s) == (
        4,
        3,
        3,
        4,
        8,
    )
    assert phases.total_s == 22
    assert (phases.firmware_s, phases.loader_s) == (1, 2)


def test_a_phase_whose_milestone_was_not_seen_is_unknown_and_the_total_stays():
    quiet = [event for event in kexec() if not (isinstance(event, ConsoleData) and "Run /init" in event.text)]
    phases = classify(evidence(quiet)).phases
    assert (phases.kernel_s, phases.initrd_s, phases.total_s) == (None, None, 20)


# Each way to fail: events, how watching ended, method, the class.
FAILURES = {
    "load failed, came back through firmware": (
        [TRIGGER, text(102, "[   19.0] x"), *SHUTDOWN, *THROUGH_FIRMWARE, *BOOT, ready(122)],
        EndReason.READY,
        "kexec",
        FailureClass.FELL_BACK_TO_FIRMWARE,
    ),
    "jumped, panicked silently, came back through firmware": (
        [TRIGGER, *SHUTDOWN, *JUMP, *[reset(106), FirmwareData(106.1, "SeaBIOS")], *BOOT, ready(122)],
        EndReason.READY,
        "kexec",
        FailureClass.TRIPLE_FAULT,
    ),
    "two boots through firmware": (
        [*cold()[:-1], reset(116), *BOOT, ready(140)],
        EndReason.READY,
        "cold",
        FailureClass.UNEXPECTED_RESET,
    ),
    "kexec although cold was asked for": (kexec(), EndReason.READY, "cold", FailureClass.UNEXPECTED_KEXEC),
    "kexec by somebody else": (kexec(nonce=""), EndReason.READY, "cold", FailureClass.UNEXPECTED_KEXEC),
    "shutdown never ends": ([TRIGGER], EndReason.DEADLINE, "kexec", FailureClass.SHUTDOWN_HANG),
    "shutdown ends, no hand-off": ([TRIGGER, *SHUTDOWN], EndReason.DEADLINE, "kexec", FailureClass.SHUTDOWN_HANG),
    "silent after the jump": (
        [TRIGGER, *SHUTDOWN, *JUMP],
        EndReason.DEADLINE,
        "kexec",
        FailureClass.HANG_BEFORE_KERNEL,
    ),
    "stuck in the boot loader": (
        [TRIGGER, *SHUTDOWN, *THROUGH_FIRMWARE],
        EndReason.DEADLINE,
        "cold",
        FailureClass.HANG_BEFORE_KERNEL,
    ),
    "panic of the new kernel": (
        [
            TRIGGER,
            *SHUTDOWN,
            *JUMP,
            *BOOT[:1],
            text(108, "[    1.1] Kernel panic - not syncing: VFS"),
            text(108, "[    1.100000] Kernel panic - not syncing: VFS: Unable to mount root fs"),
        ],
        EndReason.FATAL,
        "kexec",
        FailureClass.ROOT_MOUNT_FAILED,
    ),
    "no root": (
        [
            TRIGGER,
            *SHUTDOWN,
            *JUMP,
            *BOOT[:2],
            text(112, "ALERT!  LABEL=kexec-root does not exist.  Dropping to a shell!"),
        ],
        EndReason.FATAL,
        "kexec",
        FailureClass.ROOT_NOT_FOUND,
    ),
    "emergency mode": (
        [
            TRIGGER,
            *SHUTDOWN,
            *JUMP,
            *BOOT,
            text(117, 'You are in emergency mode. After logging in, type "journalctl -xb"'),
        ],
        EndReason.FATAL,
        "kexec",
        FailureClass.EMERGENCY_MODE,
    ),
    "userspace never finishes": (
        [TRIGGER, *SHUTDOWN, *JUMP, *BOOT],
        EndReason.DEADLINE,
        "kexec",
        FailureClass.NO_READY,
    ),
    "QEMU killed": ([TRIGGER, died(101, -9)], EndReason.EXIT, "cold", FailureClass.QEMU_ABORT),
    "QEMU aborts after ready": (
        [*kexec(), died(121, -6, "qemu: assertion")],
        EndReason.EXIT,
        "kexec",
        FailureClass.QEMU_ABORT,
    ),
    "panic during the device check": (
        [*kexec(), text(121, "[   20.000000] Kernel panic - not syncing: hung")],
        EndReason.READY,
        "kexec",
        FailureClass.KERNEL_PANIC,
    ),
    "reboot refused": (
        [TRIGGER, AgentMessage(100.2, {"type": "reply", "id": 5, "status": 1, "output": ""})],
        EndReason.FATAL,
        "cold",
        FailureClass.NO_REBOOT,
    ),
    "failed units": (
        [
            *kexec()[:-1],
            ready(120, bootloader_type=208, cmdline_nonce=NONCE, state="degraded", failed_units=["a.service"]),
        ],
        EndReason.READY,
        "kexec",
        FailureClass.DEGRADED,
    ),
    "another kernel": (
        [*kexec()[:-1], ready(120, bootloader_type=208, cmdline_nonce=NONCE, kernel_release="5.10")],
        EndReason.READY,
        "kexec",
        FailureClass.WRONG_KERNEL,
    ),
    "the guest says kexec, QEMU saw a reset": (
        [*cold()[:-1], ready(122, bootloader_type=208, cmdline_nonce=NONCE)],
        EndReason.READY,
        "kexec",
        FailureClass.PROOF_CONFLICT,
    ),
    "a command line from an earlier kexec": (
        [*kexec()[:-1], ready(120, bootloader_type=208, cmdline_nonce="ffffffffffffffff")],
        EndReason.READY,
        "kexec",
        FailureClass.PROOF_CONFLICT,
    ),
    "a ready report of another cycle": (
        [*kexec()[:-1], ready(120, bootloader_type=208, cmdline_nonce=NONCE, nonce="stale")],
        EndReason.READY,
        "kexec",
        FailureClass.PROOF_CONFLICT,
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_each_way_to_fail_has_its_class(case):
    events, ended_by, method, expected = FAILURES[case]
    judged = verdict(events, method, ended_by)
    assert (judged.outcome, judged.failure_class) == (Outcome.FAIL, expected)
    assert judged.reason


def test_no_ready_names_the_last_milestone():
    judged = verdict([TRIGGER, *SHUTDOWN, *JUMP, *BOOT], ended_by=EndReason.DEADLINE, deadline_s=150.0)
    assert judged.last_milestone is Milestone.SYSTEMD
    assert judged.reason == "no ready report within 150 s; the last milestone was systemd"


def test_a_silent_fallback_says_why_kexec_load_stood_aside():
    said = text(102, "[   19.000000] kexec-load: load failed: kernel /boot/vmlinuz is truncated: 3 bytes of 9")
    judged = verdict([TRIGGER, said, *SHUTDOWN, *THROUGH_FIRMWARE, *BOOT, ready(122)])
    assert judged.failure_class is FailureClass.LOAD_REFUSED
    assert "load failed: kernel /boot/vmlinuz is truncated" in judged.reason


def test_a_device_that_does_not_work_fails_the_cycle():
    judged = verdict(kexec(), findings=(DeviceFinding("traffic", False, "nothing came back"),))
    assert judged.failure_class is FailureClass.DEVICE_FAILED
    assert "traffic: nothing came back" in judged.reason


def test_a_report_of_the_old_boot_is_not_a_boot():
    events = [TRIGGER, ready(100.5, boot_id="old")]
    assert verdict(events, ended_by=EndReason.DEADLINE).failure_class is FailureClass.SHUTDOWN_HANG


def test_ovmf_prints_nothing_and_two_other_channels_still_prove_a_kexec():
    judged = verdict(kexec(), firmware=Firmware.OVMF)
    assert judged.outcome is Outcome.PASS
    assert [proof.path for proof in judged.proofs if proof.channel == "firmware-output"] == [None]


@pytest.mark.parametrize("firmware", Firmware)
def test_that_nothing_was_seen_to_reset_is_no_proof_while_the_kernel_is_silent(firmware):
    silent = [*kexec()[:-1], ready(120, bootloader_type=None, cmdline_nonce=None)]
    judged = verdict(silent, firmware=firmware)
    assert (judged.failure_class, judged.path) == (FailureClass.PROOF_CONFLICT, BootPath.NONE)


# Text that must not decide anything.
HARMLESS = {
    "panic in a unit's name": "[  OK  ] Started kernel-panic.service - Kernel panic - not syncing.",
    "somebody types it": "root@guest:~# Kernel panic - not syncing",
    "a daemon prints it to the kernel's log": "[   12.000000] mydaemon[77]: Kernel panic - not syncing: a test",
    "a shell script says BusyBox": "see BusyBox v1.36 built-in shell (ash)",
    "a log of the last boot": "journal: ALERT! LABEL=x does not exist. Dropping to a shell!",
}


@pytest.mark.parametrize("case", HARMLESS)
def test_text_that_only_looks_fatal_is_not(case):
    events = [*kexec()[:-1], text(118, HARMLESS[case])]
    assert verdict(events, ended_by=EndReason.DEADLINE).failure_class is FailureClass.NO_READY
    assert verdict([*kexec()[:-1], text(118, HARMLESS[case]), kexec()[-1]]).outcome is Outcome.PASS


def test_milestones_printed_before_the_hand_off_do_not_count():
    forged = [TRIGGER, *[ConsoleData(100.5, event.text) for event in BOOT], *SHUTDOWN, *JUMP]
    assert verdict(forged, ended_by=EndReason.DEADLINE).failure_class is FailureClass.HANG_BEFORE_KERNEL


@given(st.lists(st.integers(1, 60), max_size=30))
def test_any_split_of_the_console_gives_the_same_verdict(lengths):
    """The same bytes in other pieces, at the time of the piece that held them, decide the same."""
    pieces = []
    for event in kexec():
        if not isinstance(event, ConsoleData):
            pieces.append(event)
            continue
        start = 0
        for length in lengths:
            pieces.append(ConsoleData(event.t, event.text[start : start + length]))
            start += length
        pieces.append(ConsoleData(event.t, event.text[start:]))
    assert classify(evidence(pieces)) == classify(evidence(kexec()))


@given(st.lists(st.text(max_size=80), max_size=10))
def test_noise_on_the_console_never_raises_and_never_makes_a_pass(noise):
    events = [TRIGGER, *[ConsoleData(101.0, line) for line in noise]]
    assert verdict(events, ended_by=EndReason.DEADLINE).outcome is Outcome.FAIL


@given(
    st.dictionaries(
        st.sampled_from(
            ["boot_id", "nonce", "cmdline_nonce", "bootloader_type", "state", "failed_units", "kernel_release"]
        ),
        st.none() | st.integers() | st.text() | st.lists(st.integers()),
        min_size=1,
    )
)
def test_a_malformed_ready_report_never_raises_and_passes_only_if_the_kernel_says_kexec(changes):
    judged = verdict([*kexec()[:-1], ready(120, **changes)])
    assert (judged.outcome is Outcome.FAIL) or changes.get("bootloader_type") == 0xD0


def test_what_the_guest_prints_reaches_the_verdict_with_escapes_visible():
    nasty = text(108, "[    1.100000] Kernel panic - not syncing: \u009b31mred\x08")
    judged = verdict([TRIGGER, *SHUTDOWN, *JUMP, *BOOT[:1], nasty], ended_by=EndReason.FATAL)
    assert judged.evidence.isprintable()
    assert judged.reason.isprintable()


# ---- a guest that lies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "events",
    [
        [TRIGGER],
        [TRIGGER, *SHUTDOWN],
        [TRIGGER, *SHUTDOWN, *JUMP],
    ],
    ids=["nothing happened", "shutdown only", "no kernel line"],
)
def test_a_forged_report_before_any_new_kernel_is_no_boot(events):
    forged = ready(105, bootloader_type=208, cmdline_nonce=NONCE)
    assert verdict([*events, forged], ended_by=EndReason.DEADLINE).outcome is Outcome.FAIL


@pytest.mark.parametrize("boot_id", [None, "", ["new"], 7])
def test_a_report_without_a_boot_id_is_no_boot(boot_id):
    events = [*kexec()[:-1], ready(120, boot_id=boot_id, bootloader_type=208, cmdline_nonce=NONCE)]
    assert verdict(events, ended_by=EndReason.DEADLINE).outcome is Outcome.FAIL


def test_a_cold_cycle_that_executed_a_loaded_kernel_and_crashed_into_firmware_is_no_cold_boot():
    events = [TRIGGER, *SHUTDOWN, *JUMP, *THROUGH_FIRMWARE[1:], *BOOT, ready(122)]
    assert verdict(events, method="cold").failure_class is FailureClass.TRIPLE_FAULT


def test_a_reset_by_somebody_on_the_host_is_no_triple_fault():
    by_host = QmpEvent(106.0, "RESET", {"guest": False, "reason": "host-qmp-system-reset"})
    judged = verdict([TRIGGER, *SHUTDOWN, *JUMP, by_host, FirmwareData(106.1, "SeaBIOS"), *BOOT, ready(122)])
    assert (judged.failure_class, judged.rule, judged.blame) == ("unexpected_reset", "reset-by-host", "host")


def test_a_guests_reset_that_was_held_and_went_on_is_still_the_guests():
    held = QmpEvent(106.0, "SHUTDOWN", {"guest": True, "reason": "guest-reset"})
    goes_on = QmpEvent(109.0, "RESET", {"guest": False, "reason": "host-qmp-system-reset"})
    judged = verdict([TRIGGER, *SHUTDOWN, *JUMP, held, goes_on, FirmwareData(109.2, "SeaBIOS"), *BOOT, ready(122)])
    assert (judged.failure_class, judged.blame) == ("triple_fault", "incoming_kernel")
    assert "reset once" in judged.reason


@pytest.mark.parametrize(
    ("runstate", "error", "rule"),
    [
        ("io-error", {"nospace": True, "reason": "No space left on device"}, "host-disk"),
        ("io-error", {"nospace": False, "reason": "Input/output error"}, "host-disk"),
        ("paused", None, "stopped-by-host"),
    ],
)
def test_a_machine_that_the_host_had_stopped_says_nothing_of_its_guest(runstate, error, rule):
    events = [TRIGGER, *SHUTDOWN, *JUMP, *([QmpEvent(107.0, "BLOCK_IO_ERROR", error)] if error else [])]
    judged = verdict([*events, Heartbeat(112.0, 5.0, runstate)], ended_by=EndReason.DEADLINE)
    assert (judged.outcome, judged.failure_class, judged.rule) == ("invalid", "infrastructure", rule)
    assert judged.blame == "host"


def test_a_disk_error_that_the_guest_lived_through_does_not_make_a_reboot_invalid():
    events = kexec()
    error = QmpEvent(events[-1].t - 1, "BLOCK_IO_ERROR", {"nospace": True, "action": "report"})
    assert verdict([*events[:-1], error, events[-1]]).outcome == "pass"


def test_without_qmp_nobody_knows_whether_the_machine_was_reset():
    lost = QmpEvent(kexec()[-1].t - 1, "CONNECTION_LOST")
    judged = verdict([*kexec()[:-1], lost, kexec()[-1]])
    assert (judged.outcome, judged.rule, judged.blame) == ("invalid", "qmp-lost", "host")


def test_a_qemu_that_ends_takes_its_socket_with_it():
    lost = QmpEvent(106.0, "CONNECTION_LOST")
    judged = verdict([TRIGGER, *SHUTDOWN, *JUMP, lost, died(106.1, -9)], ended_by=EndReason.EXIT)
    assert judged.failure_class == "qemu_abort"
