"""A soft reboot: userspace anew under the same kernel, told from every other way that a reboot can go."""

from __future__ import annotations

import subprocess

import pytest
from msgspec import structs
from reboots import NONCE, cold, evidence, kexec, ready, reset, soft_reboot, text

from harness.campaign.arms import unable
from harness.classify.classifier import classify
from harness.lab import methods
from harness.model import (
    AgentMessage,
    Blame,
    BootPath,
    CommandReply,
    EndReason,
    FailureClass,
    Firmware,
    Outcome,
    Stage,
)

SOFT = "soft-reboot"


def verdict(events, method=SOFT, ended_by=EndReason.READY, **more):
    return classify(evidence(events, method, ended_by, **more)).verdict


def reported(**changes):
    """A soft reboot whose report says something else."""
    *before, report = soft_reboot()
    return [*before, structs.replace(report, body={**report.body, **changes})]


def without_systemd():
    return [event for event in soft_reboot() if "running in system mode" not in getattr(event, "text", "")]


# ---- as it should be ----------------------------------------------------------------------------------------


def test_userspace_anew_under_the_same_kernel_passes_and_says_who_proves_it():
    judged = verdict(soft_reboot())
    assert (judged.outcome, judged.path) == (Outcome.PASS, BootPath.SOFT)
    assert {proof.channel for proof in judged.proofs if proof.path is BootPath.SOFT} == {
        *("qmp-reset", "firmware-output", "boot-id", "kernel-uptime", "userspace-start")
    }


def test_there_is_neither_hand_off_nor_kernel_nor_initramfs_in_its_times():
    phases = classify(evidence(soft_reboot(), SOFT)).phases
    assert (phases.shutdown_s, phases.userspace_s, phases.total_s) == (5.0, 10.0, 15.0)
    nothing = (phases.handoff_s, phases.firmware_s, phases.loader_s, phases.kernel_s, phases.initrd_s)
    assert nothing == (None,) * 5


def test_a_silent_firmware_takes_nothing_from_the_proof():
    assert verdict(soft_reboot(), firmware=Firmware.OVMF).path is BootPath.SOFT


def test_the_command_line_of_an_earlier_kexec_says_nothing():
    """The kernel that goes on was started by a kexec, with that cycle's nonce."""
    assert verdict(reported(cmdline_nonce="f" * 16, bootloader_type=208)).outcome is Outcome.PASS


# ---- another way than was asked for -------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["kexec", "cold", "power-cycle"])
def test_a_soft_reboot_passes_as_no_other(other):
    judged = verdict(soft_reboot(), other)
    assert (judged.outcome, judged.path) == (Outcome.FAIL, BootPath.SOFT)
    assert (judged.failure_class, judged.blame) == (FailureClass.UNEXPECTED_SOFT_REBOOT, Blame.USERSPACE)


@pytest.mark.parametrize("nonce", [NONCE, ""])
def test_a_kexec_passes_as_no_soft_reboot_with_a_nonce_on_its_command_line_or_without(nonce):
    *before, _ = kexec()
    judged = verdict([*before, ready(120.0, bootloader_type=208, cmdline_nonce=nonce)])
    assert (judged.failure_class, judged.path) == (FailureClass.UNEXPECTED_KEXEC, BootPath.KEXEC)


def test_a_boot_through_firmware_passes_as_no_soft_reboot():
    judged = verdict(cold())
    assert (judged.failure_class, judged.path) == (FailureClass.FELL_BACK_TO_FIRMWARE, BootPath.FIRMWARE)
    assert judged.blame is Blame.USERSPACE


def test_a_reset_that_nobody_announced_is_an_accident():
    judged = verdict([event for event in cold() if "Restarting system" not in getattr(event, "text", "")])
    assert (judged.failure_class, judged.stage) == (FailureClass.UNEXPECTED_RESET, Stage.SHUTDOWN)


# ---- no reboot at all ---------------------------------------------------------------------------------------


def test_a_report_alone_is_no_reboot():
    """The agent was restarted, and systemd was not seen to start."""
    judged = verdict(without_systemd(), ended_by=EndReason.DEADLINE)
    assert (judged.outcome, judged.failure_class) == (Outcome.FAIL, FailureClass.SHUTDOWN_HANG)


def test_a_systemd_that_started_before_the_trigger_was_not_rebooted():
    """`systemctl daemon-reexec` prints the same line, and goes on as before."""
    judged = verdict(reported(userspace_usec=6_000_000))
    assert (judged.failure_class, judged.path) == (FailureClass.PROOF_CONFLICT, BootPath.CONFLICT)
    assert "systemd had started 194 s before the trigger" in judged.reason


def test_a_kernel_that_started_after_the_trigger_is_another_one_whatever_it_calls_itself():
    judged = verdict(reported(uptime_s=8.0, userspace_usec=5_000_000))
    assert (judged.failure_class, judged.path) == (FailureClass.PROOF_CONFLICT, BootPath.CONFLICT)


@pytest.mark.parametrize("said", [None, "soon", -1, True, 1e400])
def test_a_guest_that_does_not_say_when_systemd_started_proves_nothing(said):
    assert verdict(reported(userspace_usec=said)).rule == "too-few-channels"


def test_another_boot_id_without_another_kernel_is_not_believed():
    judged = verdict(reported(boot_id="new"), ended_by=EndReason.DEADLINE)
    assert (judged.outcome, judged.failure_class) == (Outcome.FAIL, FailureClass.NO_READY)


def test_the_nonce_is_this_cycles_or_the_report_is_an_old_one():
    assert verdict(reported(nonce="f" * 16)).rule == "wrong-nonce"


def test_a_machine_that_was_reset_is_no_soft_reboot_whatever_its_report_says():
    events = [*soft_reboot()[:1], reset(100.5), *soft_reboot()[1:]]
    assert verdict(events, ended_by=EndReason.DEADLINE).outcome is Outcome.FAIL


def test_a_systemd_without_it_has_not_rebooted():
    refused = AgentMessage(100.3, {"type": "reply", "id": 5, "status": 1, "output": ""})
    judged = verdict([soft_reboot()[0], refused], ended_by=EndReason.FATAL)
    assert judged.failure_class is FailureClass.NO_REBOOT


@pytest.mark.parametrize(
    ("t", "expected"), [(103.0, FailureClass.OUTGOING_KERNEL_CRASH), (108.0, FailureClass.KERNEL_PANIC)]
)
def test_a_panic_is_named_by_where_it_came(t, expected):
    panic = text(t, f"[  {t + 100:.6f}] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b")
    before = [event for event in soft_reboot() if event.t < t]
    assert verdict([*before, panic], ended_by=EndReason.FATAL).failure_class is expected


@pytest.mark.parametrize(("has_it", "said"), [("true", ""), ("false", "systemd 252 has no soft-reboot\n")])
def test_systemd_is_asked_whether_it_has_it(has_it, said):
    systemctl = (
        f'systemctl() {{ case $1 in cat) {has_it} ;; --version) echo "systemd 252 (252.39-1~deb12u2)"; esac; }}\n'
    )
    command = ["dash", "-c", systemctl + methods()[SOFT].lacking]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == said


class Says:
    """A machine whose guest answers every script with this."""

    def __init__(self, output: str) -> None:
        self._output = output

    def run(self, script: str, *, purpose: str) -> CommandReply:
        assert (script, purpose) == (methods()[SOFT].lacking, "method")
        return CommandReply(0, self._output)


@pytest.mark.parametrize(
    ("output", "reasons"),
    [("\n", {}), ("systemd 252 has no soft-reboot\n", {SOFT: "systemd 252 has no soft-reboot"})],
)
def test_a_method_is_left_out_for_what_the_guest_says(output, reasons):
    assert unable(Says(output), [methods()[name] for name in ("kexec", SOFT, "cold")]) == reasons


def test_what_the_guest_says_reaches_no_terminal_as_it_is():
    [reason] = unable(Says("\x1b[2Jnone" + "!" * 100_000), [methods()[SOFT]]).values()
    assert reason.startswith("\\x1b[2Jnone!")
    assert len(reason) < 1000
