"""A power cycle: switched off by the guest, on again by the host, and told from a reset."""

from __future__ import annotations

from reboots import cold, evidence, power_cycle

from harness.classify.classifier import classify
from harness.model import BootPath, EndReason, FailureClass, Outcome, QmpEvent


def verdict(events, method, ended_by=EndReason.READY):
    return classify(evidence(events, method, ended_by)).verdict


def test_a_machine_that_was_switched_off_and_on_passes_as_a_power_cycle_only():
    judged = verdict(power_cycle(), "power-cycle")
    assert (judged.outcome, judged.path) == (Outcome.PASS, BootPath.FIRMWARE)
    assert verdict(power_cycle(), "cold", EndReason.FATAL).failure_class is FailureClass.POWERED_OFF
    assert verdict(power_cycle(), "kexec", EndReason.FATAL).failure_class is FailureClass.POWERED_OFF


def test_a_reset_is_no_power_cycle():
    judged = verdict(cold(), "power-cycle")
    assert (judged.failure_class, judged.rule) == (FailureClass.UNEXPECTED_RESET, "reset-not-off")


def test_switching_off_once_more_is_a_failure_of_a_power_cycle():
    again = QmpEvent(112.0, "SHUTDOWN", {"guest": True, "reason": "guest-shutdown"})
    events = [event for event in power_cycle() if event.t < 112.0]
    assert verdict([*events, again], "power-cycle", EndReason.FATAL).failure_class is FailureClass.POWERED_OFF
