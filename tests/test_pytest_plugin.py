"""The pytest plugin as its users meet it: ids, options, errors, exit codes, and the files that a run leaves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from paths import PROJECT

from harness.config import SETTINGS

pytest_plugins = ["pytester"]

TESTDATA = Path(__file__).parent / "testdata"
CELL = "debian-13+virtio-net+seabios"
SCENARIO = "scenarios/test_copied_soak.py"

#: The run within a run finds the harness imported already, which pytest warns of when it is an editable install.
SETTINGS_OF_PYTEST = """
[tool.pytest]
markers = ["vm: ...", "provoked: ..."]
filterwarnings = ["ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
"""

#: a host on which everything is there, and whose machines play a recorded run back
REPLAYED_HOST = """
from pathlib import Path
from types import SimpleNamespace
import pytest
from harness.campaign.replay import recorded_machines
from harness.clock import ManualClock
from harness.errors import MachineError
from harness.lab import Lab
from harness.model import Accel
from harness.qemu.replay import ReplayMachine

CLOCK = ManualClock()
MACHINES = iter(recorded_machines(Path({recording!r}) / "cells" / {cell!r}))

def next_machine(self, cell, adapt=None):
    events = next(MACHINES, None)
    if events is None:
        raise MachineError("the recording has no further machine")
    CLOCK.advance_to(events[0].t)
    return ReplayMachine(events, CLOCK)

@pytest.fixture(scope="session", autouse=True)
def replayed_host():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lab, "accel", SimpleNamespace(accel=Accel.TCG, reason="as recorded"))
        patch.setattr(Lab, "qemu", SimpleNamespace(version="7.2.22", path=Path("/usr/bin/qemu")))
        patch.setattr(Lab, "why_unsupported", lambda _, cell: None)
        recipe = SimpleNamespace(init="systemd")
        image = SimpleNamespace(sha256="0" * 64, disk=Path("/disk.raw"), root_bytes=1200 << 20, recipe=recipe)
        patch.setattr(Lab, "image", lambda self, name: image)
        patch.setattr(Lab, "command_line", lambda self, cell: ["qemu"])
        patch.setattr(Lab, "make_machine", next_machine)
        yield
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with the project's main scenario, matrix and recipes, and no settings."""
    (pytester.path / "scenarios").mkdir()
    # By another name: the run that these tests are part of may have imported the scenario itself.
    shutil.copy(PROJECT / "scenarios" / "test_soak.py", pytester.path / SCENARIO)
    shutil.copy(PROJECT / "scenarios" / "matrix.toml", pytester.path / "scenarios")
    shutil.copytree(PROJECT / "images", pytester.path / "images")
    pytester.makepyprojecttoml(SETTINGS_OF_PYTEST)
    return pytester


@pytest.fixture
def replay(project: pytest.Pytester) -> pytest.Pytester:
    """The same, on a host whose machines play back a run of one kexec that passed and one cold reboot that failed."""
    project.makeconftest(REPLAYED_HOST.format(recording=str(TESTDATA / "runs" / "killed-qemu"), cell=CELL))
    return project


SOAK = (SCENARIO, "--kexec-seed=1", "--kexec-blocks=1")


# ---- what would run -----------------------------------------------------------------------------------------


def test_ids_are_readable_and_listing_them_starts_and_leaves_nothing(project):
    result = project.runpytest("--collect-only", "-q", SCENARIO, "--kexec-device=nvme,virtio-net")
    assert result.ret == 0
    ids = {line.split("::", 1)[1] for line in result.outlines if "::" in line}
    assert ids == {
        f"{test}[debian-13+{device}+seabios{arm}]"
        for device in ("nvme", "virtio-net")
        for test, arm in (("test_reboot", "-kexec"), ("test_reboot", "-cold"), ("test_compare", ""))
    }
    assert not (project.path / "results").exists()


@pytest.mark.parametrize(
    "give",
    [
        lambda project, patch: project.makepyprojecttoml("[tool.pytest]\nkexec_device = ['e1000e']\n"),
        lambda project, patch: patch.setenv("KEXEC_DEVICE", "e1000e"),
    ],
    ids=["pyproject.toml", "environment"],
)
def test_settings_come_from_file_and_environment_too(project, monkeypatch, give):
    give(project, monkeypatch)
    result = project.runpytest("--collect-only", "-q", SCENARIO)
    result.stdout.fnmatch_lines(["*debian-13+e1000e+seabios*"])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--kexec-device=virtio-nett", "unknown device set 'virtio-nett'; known: *did you mean virtio-net?"),
        ("--kexec-image=debian-31", "unknown image 'debian-31'; known: *"),
        ("--kexec-blocks=many", "*--kexec-blocks: 'many' is not a whole number"),
        (
            "--kexec-methods=kexec,warm",
            "*unknown method 'warm'; known: cold, distro-kexec, kexec, kexec-classic-load, *",
        ),
    ],
)
def test_a_wrong_setting_ends_with_4_and_one_message_and_leaves_nothing(project, option, message):
    result = project.runpytest(SCENARIO, option)
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: *{message}"])
    assert "Traceback" not in str(result.stdout) + str(result.stderr)
    assert not (project.path / "results").exists()


def test_tests_without_machines_are_no_run(project):
    path = project.makepyfile("def test_it(): pass")
    project.runpytest(path).assert_outcomes(passed=1)
    assert not (project.path / "results").exists()


# ---- runs ---------------------------------------------------------------------------------------------------


def test_a_run_judges_each_arm_and_leaves_every_report(replay):
    result = replay.runpytest(*SOAK)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "*kexec failed 0 of 1, cold 1 of 1: undecided*",
            "*cycle 1 cold: fail qemu_abort*",
            "*Not covered: real hardware*",
            "*= 1 failed, 1 passed, 1 undecided in *",
        ]
    )
    latest = replay.path / "results" / "latest"
    files = {path.name for path in latest.iterdir()}
    assert {"run.json", "cells", "cycles.csv", "summary.csv", "junit.xml", "report.md"} <= files
    run = json.loads((latest / "run.json").read_text())
    assert (run["exit_status"], run["seed"], run["settings"]["blocks"]["value"]) == (1, 1, 1)


def test_junit_has_the_verdict_where_every_viewer_shows_it(replay):
    replay.runpytest(*SOAK)
    cases = {
        case.get("name"): case for case in ET.parse(replay.path / "results/latest/junit.xml").getroot().iter("testcase")
    }
    assert set(cases) == {f"test_reboot[{CELL}-kexec]", f"test_reboot[{CELL}-cold]", f"test_compare[{CELL}]"}
    [failure] = cases[f"test_reboot[{CELL}-cold]"].iter("failure")
    assert "qemu_abort: QEMU ended during the cycle (killed by signal 9)" in failure.get("message")
    [skipped] = cases[f"test_compare[{CELL}]"].iter("skipped")
    assert skipped.get("message").startswith("undecided: ")
    properties = {one.get("name"): one.get("value") for one in cases[f"test_reboot[{CELL}-kexec]"].iter("property")}
    assert (properties["cycles"], properties["failed"]) == ("1", "0")


def test_a_budget_for_failures_is_a_gate_of_its_own(replay):
    result = replay.runpytest(*SOAK, "--kexec-failure-budget=1")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*2 passed, 1 undecided*"])


def test_several_jobs_give_one_run(replay, monkeypatch):
    # In the environment, where workers find it too: they must not start workers of their own.
    monkeypatch.setenv("KEXEC_JOBS", "2")
    result = replay.runpytest_subprocess(*SOAK, timeout=60)
    result.stdout.fnmatch_lines(["created: 2/2 workers", "*= 1 failed, 1 passed, 1 undecided in *"])
    [run, *_] = [path for path in (replay.path / "results").iterdir() if not path.is_symlink()]
    assert ET.parse(run / "junit.xml").getroot().find("testsuite").get("tests") == "3"
    assert len((run / "cycles.csv").read_text().splitlines()) == 1 + 2


def test_a_junit_file_named_by_the_user_is_written_there_alone(replay):
    replay.runpytest(*SOAK, "--junitxml=mine.xml")
    assert (replay.path / "mine.xml").is_file()
    assert not (replay.path / "results/latest/junit.xml").exists()


def test_a_mirror_that_does_not_answer_ends_with_3_and_one_message_and_leaves_nothing(project):
    cache = project.path / "cache"
    result = project.runpytest(*SOAK, f"--kexec-cache-dir={cache}", "--kexec-mirror=http://127.0.0.1:9/debian")
    assert result.ret == 3
    result.stdout.fnmatch_lines(["*http://127.0.0.1:9/debian*"])
    assert "Traceback" not in str(result.stdout) + str(result.stderr)
    assert not (project.path / "results").exists()


def test_a_machine_that_comes_up_no_more_ends_the_cell_and_keeps_what_was_found(replay):
    result = replay.runpytest(SCENARIO, "--kexec-seed=1", "--kexec-blocks=2")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*the recording has no further machine*"])
    rows = (replay.path / "results/latest/cycles.csv").read_text().splitlines()
    assert len(rows) == 1 + 2


def test_pytests_own_help_lists_every_option():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-400:]
    words = " ".join(done.stdout.split())
    for setting in SETTINGS:
        assert f"{setting.option}=" in words or f"{setting.option} " in words
    assert "share of the reboots of the fault's own method that it is injected into, e.g. 5%" in words
