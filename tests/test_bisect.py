"""`kexec-harness bisect`: what git bisect run is told about a kernel."""

from __future__ import annotations

import re

import pytest
from paths import PROJECT
from report_run import end

from harness.cli import bisect, run
from harness.model import Cell, FailureClass, Outcome

METHODS = ("kexec", "cold")


def ends(kexec: str, cold: str):
    """A finished cycle for each letter: . passed, F failed, I invalid."""
    outcomes = {".": Outcome.PASS, "F": Outcome.FAIL, "I": Outcome.INVALID}
    cell = Cell(image="micro", device_set="virtio-net")
    trouble = {"failure_class": FailureClass.KERNEL_PANIC, "reason": "it panicked"}
    return [
        end(cell, method, 0, outcome=outcomes[letter], **trouble)
        for method, letters in (("kexec", kexec), ("cold", cold))
        for letter in letters
    ]


@pytest.mark.parametrize(
    ("kexec", "cold", "budget", "status", "why"),
    [
        ("...", "...", 0, 0, "0 of 6 reboots failed"),
        (".F.", "...", 0, 1, "1 of 3 reboots by kexec failed: kernel_panic: it panicked"),
        (".F.", "...", 1, 0, "1 of 6 reboots failed"),
        ("I.F", "..", 0, 1, "1 of 2 reboots by kexec failed: kernel_panic: it panicked"),
        # A kernel that does not survive a cold reboot says nothing of kexec.
        ("FFF", "F..", 0, 125, "1 of 3 cold reboots failed: kernel_panic: it panicked"),
        ("III", "...", 0, 125, "no reboot by kexec says anything"),
        ("...", "", 0, 125, "no reboot by cold says anything"),
    ],
)
def test_what_a_kernel_is(kexec, cold, budget, status, why):
    assert bisect.judge(METHODS, ends(kexec, cold), budget) == (status, why)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kernle", "./bzImage"], "No such option"),
        (["--blocks", "many"], "'many' is not a whole number"),
        (["--kernel", "./nothing-here", "--image", "micro"], "nothing-here: No such file"),
        (["--kernel", "6.1-"], "put it in quotes"),
        (["--image", "nothing"], "unknown image 'nothing'"),
    ],
)
def test_a_mistake_is_never_taken_for_a_bad_kernel(arguments, said, capfd, monkeypatch, tmp_path):
    monkeypatch.setenv("KEXEC_RESULTS", str(tmp_path))
    assert run(["bisect", *arguments]) == 125
    assert said in capfd.readouterr().err


def test_the_script_in_the_docs_has_options_that_there_are():
    script = (PROJECT / "docs/bisect.md").read_text("utf-8").split("```sh\n")[1].split("```")[0]
    named = set(re.findall(r" (--[a-z-]+)", script))
    assert {"--kernel", "--modules"} <= named
    assert named <= {option for parameter in bisect.COMMAND.params for option in parameter.opts}
