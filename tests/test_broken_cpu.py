"""An emulated CPU that breaks: what it does to its guest is not the guest's failure."""

from __future__ import annotations

import pytest
from reboots import evidence, kexec, text

from harness.classify.classifier import classify
from harness.model import EndReason, Heartbeat, Outcome, Vcpu


def verdict(events, ended_by=EndReason.READY):
    return classify(evidence(events, ended_by=ended_by)).verdict


def broken_cpu(t: float, *, halted: bool = True, flags: str | None = "41588000") -> Heartbeat:
    return Heartbeat(t, 3.0, "running", vcpus=(Vcpu(halted=halted, interrupts=True, impossible_flags=flags),))


OOPS = text(115.0, "[    7.300000] Oops: general protection fault, maybe for address 0x10: 0000 [#1] PREEMPT SMP NOPTI")


def test_a_failure_on_an_emulated_cpu_that_is_broken_says_nothing_of_the_guest():
    events = [*kexec()[:-1], OOPS, broken_cpu(130.0), broken_cpu(131.0)]
    judged = verdict(events, ended_by=EndReason.DEADLINE)
    assert (judged.outcome, judged.rule) == (Outcome.INVALID, "impossible-flags")
    assert "41588000" in judged.reason
    assert "oops" in judged.reason


@pytest.mark.parametrize(
    "beats",
    [
        [broken_cpu(130.0)],
        [broken_cpu(130.0, halted=False), broken_cpu(131.0, halted=False)],
        [broken_cpu(130.0), broken_cpu(131.0, flags=None), broken_cpu(132.0)],
        [broken_cpu(130.0, flags=None), broken_cpu(131.0, flags=None)],
    ],
    ids=["once", "running", "gone", "healthy"],
)
def test_a_cpu_is_not_called_broken_for_less(beats):
    assert verdict([*kexec()[:-1], OOPS, *beats], ended_by=EndReason.DEADLINE).outcome is Outcome.FAIL


def test_a_reboot_that_went_well_passes_on_any_cpu():
    assert verdict([broken_cpu(100.1), broken_cpu(100.2), *kexec()]).outcome is Outcome.PASS
