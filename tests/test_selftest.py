"""The self-test's own words: what is right, the confusion matrix, chances, and trials kept and judged again."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from msgspec import structs
from reboots import BOOT, JUMP, SHUTDOWN, TRIGGER, cold, evidence, kexec, text

from harness.campaign.usual import UsualOfCell
from harness.classify.classifier import classify
from harness.cli import cli
from harness.cycle import CycleResult
from harness.errors import StoreError
from harness.model import EndReason, FailureClass, Outcome
from harness.selftest.chance import chances
from harness.selftest.keep import keep_trial, read_trials
from harness.selftest.session import choose, clean_needed, judge_again
from harness.selftest.summary import confusion, quantile, summary
from harness.selftest.trial import CLEAN, Trial, deciding_text_at

FINE = classify(evidence(cold(), "cold")).verdict
#: a reboot that was to be a kexec and went through firmware
FELL_BACK = classify(evidence(cold())).verdict


def trial(fault="unloaded-unnoticed", verdict=FELL_BACK, *classes, number=0, text_s=None):
    return Trial(
        image="debian-13",
        number=number,
        fault=fault,
        method="kexec",
        expected_outcome=Outcome.FAIL if classes else Outcome.PASS,
        expected=classes,
        verdict=verdict,
        text_to_verdict_s=text_s,
        took_s=20.0,
    )


RIGHT = trial("unloaded-unnoticed", FELL_BACK, FailureClass.FELL_BACK_TO_FIRMWARE, text_s=0.4)
WRONG = trial("root-missing", FELL_BACK, FailureClass.ROOT_NOT_FOUND, text_s=0.8)
OVERLOOKED = trial("oops", FINE, FailureClass.KERNEL_OOPS)
QUIET = trial(CLEAN, FINE)
ALARM = trial(CLEAN, FELL_BACK)


def test_a_verdict_of_the_right_class_is_right_and_any_other_is_not():
    assert [item.right for item in (RIGHT, WRONG, OVERLOOKED, QUIET, ALARM)] == [True, False, False, True, False]


def test_another_class_that_is_right_as_well_counts_as_the_first():
    either = trial("nic", FELL_BACK, FailureClass.DEVICE_MISSING, FailureClass.FELL_BACK_TO_FIRMWARE)
    assert (either.right, either.found_name) == (True, "device_missing")


def test_a_wrong_stage_makes_a_right_class_wrong():
    assert not structs.replace(RIGHT, complaints=("stage: kernel instead of handoff",)).right


def test_the_confusion_matrix_counts_what_was_reported_for_each_class():
    assert confusion([RIGHT, RIGHT, WRONG, OVERLOOKED, QUIET]) == [
        "fell_back_to_firmware       2 of 2",
        "kernel_oops                 0 of 1    pass 1",
        "root_not_found              0 of 1    fell_back_to_firmware 1",
    ]


def test_the_summary_tells_false_alarms_delays_and_what_was_wrong():
    text = "\n".join(summary([RIGHT, WRONG, QUIET, ALARM]))
    assert "false alarms: 1 in 2 healthy reboots (2 clean, 0 that look ill" in text
    assert "seconds from text to verdict: median 0.40, p90 0.80, max 0.80" in text
    assert "2 of 4 trials right" in text
    assert "had to be root_not_found, fail: the reboot went through firmware" in text


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.9, 4), (0.01, 1), (1.0, 4)])
def test_quantiles_are_values_that_occurred(share, value):
    assert quantile([4, 1, 3, 2], share) == value


def test_the_estimated_rate_covers_the_probability_of_the_faults():
    found = chances([RIGHT, QUIET, QUIET], seed=1)
    assert [chance.probability for chance in found] == [0.01, 0.05, 0.2]
    assert all(chance.covered for chance in found)


def test_an_overlooked_failure_or_a_false_alarm_moves_the_rate_away():
    assert not all(chance.covered for chance in chances([OVERLOOKED, QUIET], seed=1))
    assert not all(chance.covered for chance in chances([RIGHT, QUIET, ALARM], seed=1))


def test_a_kept_trial_is_judged_again_from_what_was_seen(tmp_path):
    forgotten = structs.replace(RIGHT, verdict=FINE)
    keep_trial(tmp_path, forgotten, evidence(cold()))
    keep_trial(tmp_path, structs.replace(QUIET, number=1), evidence(kexec()))
    assert [item.fault for item, _ in read_trials(tmp_path)] == ["unloaded-unnoticed", CLEAN]
    assert (tmp_path / "debian-13" / "000-unloaded-unnoticed" / "console.log").read_bytes().startswith(b"[   20.")
    again = judge_again(tmp_path)
    assert [item.right for item in again] == [True, True]
    assert again[0].verdict.failure_class is FailureClass.FELL_BACK_TO_FIRMWARE


def selftest(*arguments):
    return CliRunner().invoke(cli, ["selftest", *arguments], standalone_mode=False)


def test_the_command_judges_a_kept_self_test_again_and_fails_if_a_verdict_is_wrong(tmp_path):
    keep_trial(tmp_path / "selftest", RIGHT, evidence(cold()))
    right = selftest("--again", str(tmp_path))
    assert (right.return_value, "1 of 1 trials right" in right.output) == (0, True)
    keep_trial(tmp_path / "selftest", structs.replace(WRONG, number=1), evidence(cold()))
    wrong = selftest("--again", str(tmp_path), "--json")
    assert wrong.return_value == 1
    classes = [json.loads(line)["verdict"]["failure_class"] for line in wrong.output.splitlines()]
    assert classes == ["fell_back_to_firmware", "fell_back_to_firmware"]


def test_a_folder_without_a_self_test_is_an_error(tmp_path):
    assert isinstance(selftest("--again", str(tmp_path)).exception, StoreError)


def test_the_command_lists_faults_by_name():
    assert selftest("--list", "--fault", "root-missing").output.startswith("root-missing ")
    assert "did you mean root-missing" in str(selftest("--list", "--fault", "root-mising").exception)


def test_the_text_that_ended_a_cycle_is_what_its_verdict_is_timed_from():
    panic = text(106.0, "[    1.000000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)")
    ended = [TRIGGER, *SHUTDOWN, *JUMP, *BOOT[:1], panic, text(106.4, "[    1.100000] Call Trace:")]
    assert deciding_text_at(evidence(ended, ended_by=EndReason.FATAL)) == 106.0
    assert deciding_text_at(evidence(kexec())) is None


def test_what_is_slow_is_learnt_before_a_fault_that_makes_a_reboot_slow():
    assert clean_needed(choose(("unit-fails", "panic-in-boot"), quick=False)) == 0
    needed = clean_needed(choose(("unit-fails", "unit-slow"), quick=False))
    learnt = UsualOfCell()
    for cycle in range(needed):
        method = ("kexec", "cold")[cycle % 2]
        assert learnt.of(method).slow_above_s is None
        seen = evidence(kexec() if method == "kexec" else cold(), method)
        learnt.learn(method, CycleResult(seen, classify(seen), None, seen.events))
    assert learnt.of("kexec").slow_above_s is not None
    assert learnt.of("cold").slow_above_s is not None
