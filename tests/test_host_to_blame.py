"""What the host does to a cycle is not the guest's, and what the guest does is not the host's."""

from __future__ import annotations

import base64

from reboots import BOOT, JUMP, SHUTDOWN, TRIGGER, evidence, kexec, reset, text

from harness.classify.classifier import classify
from harness.classify.milestones import Progress
from harness.classify.pulse import GuestState
from harness.model import AgentMessage, CommandSent, EndReason, Heartbeat, Milestone, Outcome, QmpEvent, Vcpu


def asked(t: float, uptime: float) -> list:
    """The running system says who it is, `t` seconds on the machine's clock."""
    output = base64.b64encode(f"boot new {uptime} 0123456789abcdef\n".encode()).decode()
    reply = {"type": "reply", "id": 9, "status": 0, "output": output}
    return [CommandSent(t, 9, "device-after", ""), AgentMessage(t + 0.2, reply)]


def test_a_clock_that_ran_fast_on_a_host_that_kept_the_vcpus_waiting_says_nothing():
    events = [*kexec(), *asked(121.0, uptime=419.0)]
    fast = classify(evidence(events, vcpu_s=20.0, vcpu_wait_s=8.0)).verdict
    assert (fast.outcome, fast.rule, fast.blame) == (Outcome.INVALID, "host-starved", "host")
    assert "405 s before" in fast.reason


def test_the_same_on_a_quiet_host_is_a_lie():
    events = [*kexec(), *asked(121.0, uptime=419.0)]
    lie = classify(evidence(events, vcpu_s=20.0, vcpu_wait_s=1.0)).verdict
    assert (lie.outcome, lie.rule) == (Outcome.FAIL, "kernel-start")


def test_a_reset_that_the_harness_holds_is_no_machine_that_somebody_has_stopped():
    """Artefacts are taken meanwhile, which takes as long as it takes."""
    held = QmpEvent(104.0, "SHUTDOWN", {"guest": True, "reason": "guest-reset"})
    still = [Heartbeat(104.0 + i, 1.0 + i, "shutdown", vcpus=(Vcpu(0.0, 0.0),)) for i in range(1, 40)]
    progress = Progress("old")
    for event in [TRIGGER, *SHUTDOWN, *JUMP, held, *still]:
        progress.feed(event)
    assert progress.pulse.state is not GuestState.STOPPED
    progress.feed(reset(144.0))
    assert progress.at[Milestone.HANDOFF] == 144.0
    progress.feed(Heartbeat(146.0, 2.0, "paused", vcpus=(Vcpu(0.0, 0.0),)))
    assert progress.pulse.state is GuestState.STOPPED


def test_a_machine_stopped_while_nothing_is_held_still_is():
    stopped = [Heartbeat(104.0 + i, 1.0 + i, "paused", vcpus=(Vcpu(0.0, 0.0),)) for i in range(1, 40)]
    judged = classify(evidence([TRIGGER, *SHUTDOWN, *JUMP, *stopped], ended_by=EndReason.DEADLINE)).verdict
    assert (judged.outcome, judged.rule) == (Outcome.INVALID, "stopped-by-host")


INT3 = [
    text(109.0, "[    2.066329] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI"),
    text(109.1, "[    2.069973] Kernel panic - not syncing: Fatal exception in interrupt"),
    text(109.2, "[    2.070973] Kernel Offset: 0x1e000000 from 0xffffffff81000000"),
]


def test_a_breakpoint_that_a_held_up_vcpu_met_too_late_says_nothing():
    events = [TRIGGER, *SHUTDOWN, *JUMP, BOOT[0], *INT3]
    held_up = classify(evidence(events, ended_by=EndReason.FATAL, vcpu_s=21.9, vcpu_wait_s=24.8)).verdict
    assert (held_up.outcome, held_up.rule, held_up.blame) == (Outcome.INVALID, "host-starved", "host")
    quiet = classify(evidence(events, ended_by=EndReason.FATAL, vcpu_s=21.9, vcpu_wait_s=1.0)).verdict
    assert (quiet.outcome, quiet.failure_class) == (Outcome.FAIL, "early_panic")


def test_any_other_panic_on_a_busy_host_is_the_guests():
    events = [TRIGGER, *SHUTDOWN, *JUMP, BOOT[0], *INT3[1:]]
    judged = classify(evidence(events, ended_by=EndReason.FATAL, vcpu_s=21.9, vcpu_wait_s=24.8)).verdict
    assert (judged.outcome, judged.failure_class) == (Outcome.FAIL, "early_panic")
