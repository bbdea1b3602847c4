"""`make soak STOP=auto` as its users meet it, on simulated machines: when it ends, what it says, how it exits."""

from __future__ import annotations

import csv
import json
import re
import shutil

import pytest
from paths import PROJECT

pytest_plugins = ["pytester"]

SCENARIO = "scenarios/test_stopping_soak.py"
SETTINGS_OF_PYTEST = """
[tool.pytest]
markers = ["vm: ...", "provoked: ..."]
filterwarnings = ["ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
"""
SIMULATED_HOST = """
import random, sys
from pathlib import Path
from types import SimpleNamespace
import pytest
sys.path.insert(0, {tests!r})
from simulated_machine import SimulatedMachine
from harness.clock import ManualClock
from harness.lab import Lab
from harness.model import Accel

CLOCK, RNG = ManualClock(), random.Random(1)

@pytest.fixture(scope="session", autouse=True)
def simulated_host():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lab, "accel", SimpleNamespace(accel=Accel.TCG, reason="simulated"))
        patch.setattr(Lab, "qemu", SimpleNamespace(version="7.2.22", path=Path("/usr/bin/qemu")))
        lacks = {{"igb": "QEMU 7.2.22 has no device igb"}}
        patch.setattr(Lab, "why_unsupported", lambda _, cell: lacks.get(cell.device_set))
        recipe = SimpleNamespace(init="systemd")
        image = SimpleNamespace(sha256="0" * 64, disk=Path("/disk.raw"), root_bytes=1200 << 20, recipe=recipe)
        patch.setattr(Lab, "image", lambda self, name: image)
        patch.setattr(Lab, "command_line", lambda self, cell: ["qemu"])
        patch.setattr(Lab, "make_machine", lambda self, cell, adapt=None: SimulatedMachine(CLOCK, RNG, {failing!r}))
        yield
"""


@pytest.fixture
def soak(pytester: pytest.Pytester):
    """Runs the soak with kexecs that fail as often as told: pytest's result, and the run's folder."""
    (pytester.path / "scenarios").mkdir()
    shutil.copy(PROJECT / "scenarios" / "test_soak.py", pytester.path / SCENARIO)
    shutil.copy(PROJECT / "scenarios" / "matrix.toml", pytester.path / "scenarios")
    shutil.copytree(PROJECT / "images", pytester.path / "images")
    pytester.makepyprojecttoml(SETTINGS_OF_PYTEST)

    def run(failing: float, *options: str):
        pytester.makeconftest(SIMULATED_HOST.format(tests=str(PROJECT / "tests"), failing={"kexec": failing}))
        result = pytester.runpytest(SCENARIO, "--kexec-seed=1", "--kexec-stop=auto", *options)
        return result, pytester.path / "results" / "latest"

    return run


def test_equal_arms_end_as_no_worse(soak):
    """A margin of 5 % takes 66 clean blocks."""
    result, folder = soak(0.0, "--kexec-margin=5%")
    assert result.ret == 0
    result.stderr.fnmatch_lines(["*: stopped after 66 blocks: kexec failed 0 of 66, cold 0 of 66: no evidence that*"])
    result.stdout.fnmatch_lines(["*=* 3 passed in *"])
    rows = {row["method"]: row for row in csv.DictReader((folder / "summary.csv").read_text().splitlines())}
    assert (rows["kexec"]["decision"], rows["kexec"]["anytime"], rows["kexec"]["cycles"]) == ("no_worse", "1", "66")
    assert json.loads((folder / "run.json").read_text())["settings"]["blocks"]["value"] == 2000


def test_a_kexec_that_fails_in_10_percent_is_found_out_and_fails_the_run(soak):
    result, _ = soak(0.1, "--kexec-failure-budget=1000")
    assert result.ret == 1
    result.stderr.fnmatch_lines(["*: stopped after * blocks: kexec failed 5 of *, cold 0 of *: kexec is worse (e = *"])
    result.stdout.fnmatch_lines(["*kexec is worse (e = 23.4), at least *"])
    result.stdout.fnmatch_lines(["*=* 1 failed, 2 passed in *"])


def test_a_cap_that_is_reached_is_undecided(soak):
    result, _ = soak(0.0, "--kexec-blocks=6")
    assert result.ret == 0
    result.stderr.fnmatch_lines(["*: stopped after 6 blocks: no more are planned, and not every question is settled"])
    result.stdout.fnmatch_lines(["*=* 2 passed, 1 undecided in *"])
    result.stdout.fnmatch_lines(["*undecided; about 327 more blocks would*"])


def test_a_method_that_the_image_cannot_do_is_skipped_with_its_reason_and_the_others_run(soak):
    result, folder = soak(0.0, "--kexec-blocks=2", "--kexec-methods=soft-reboot,kexec,cold", "-rs")
    assert result.ret == 0
    reason = "systemd 252 has no soft-reboot"
    result.stderr.fnmatch_lines([f"skipped: debian-13+virtio-net+seabios, soft-reboot: {reason}"])
    result.stdout.fnmatch_lines([f"SKIPPED * {reason}", "*=* 2 passed, 1 skipped, 1 undecided in *"])
    rows = csv.DictReader((folder / "summary.csv").read_text().splitlines())
    assert {row["method"]: row["cycles"] for row in rows} == {"kexec": "2", "cold": "2"}
    assert f"skipped: debian-13+virtio-net+seabios, soft-reboot: {reason}" in (folder / "report.md").read_text()


def test_a_cell_whose_every_method_cannot_be_is_skipped(soak):
    result, _ = soak(0.0, "--kexec-blocks=2", "--kexec-methods=soft-reboot", "-rs")
    result.stdout.fnmatch_lines(["SKIPPED * soft-reboot: systemd 252 has no soft-reboot", "*=* 2 skipped in *"])


def test_a_specification_replaces_the_budget(soak):
    """Three failures of 12 would break a budget of none; they are undecided against fewer than 1 in 10."""
    result, _ = soak(0.15, "--kexec-blocks=12", "--kexec-max-failure-rate=1/10", "--kexec-methods=kexec")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*kexec failed 3 of 12: undecided against the specification of fewer than 1 in*"])
    result.stdout.fnmatch_lines(["*=* 2 undecided in *"])


def test_a_fault_injected_at_random_is_found_at_its_rate_and_never_passes_for_the_machines_own(soak):
    options = ("--kexec-stop=fixed", "--kexec-blocks=200", "--kexec-failure-budget=1000", "--kexec-margin=50%")
    result, folder = soak(0.0, *options, "--kexec-fault=unit-fails", "--kexec-fault-rate=5%")
    rows = {row["method"]: row for row in csv.DictReader((folder / "summary.csv").read_text().splitlines())}
    assert float(rows["kexec"]["ci_low"]) < 0.05 < float(rows["kexec"]["ci_high"])
    assert rows["cold"]["failed"] == "0"
    (records,) = folder.glob("cells/*/cycles.jsonl")
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    struck = {line["cycle"] for line in lines if line["record"] == "start" and line.get("fault") == "unit-fails"}
    failed = {line["cycle"] for line in lines if line["record"] == "end" and line["outcome"] == "fail"}
    assert struck == failed
    said = re.sub(r"\s+", " ", result.stdout.str())
    assert "unit-fails was injected into 5.0 % of its reboots on purpose: no rate here is a machine's own" in said


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--kexec-fault=unit-failz"], "unknown fault 'unit-failz'; known: *unit-fails*"),
        (["--kexec-fault=unit-fails", "--kexec-methods=cold"], "unit-fails strikes reboots by kexec, and none is run*"),
        (["--kexec-fault=unit-fails", "--kexec-fault-rate=0"], "*fault-rate*"),
    ],
)
def test_a_fault_that_cannot_strike_is_a_mistake_of_settings(soak, options, complaint):
    result, _ = soak(0.0, "--kexec-blocks=2", *options)
    assert result.ret == 4
    (result.stderr if result.errlines else result.stdout).fnmatch_lines([f"*{complaint}"])


def test_a_chain_kexecs_as_often_in_a_row_as_told(soak):
    _, folder = soak(0.0, "--kexec-stop=fixed", "--kexec-blocks=10", "--kexec-chain=5", "--kexec-margin=50%")
    (records,) = folder.glob("cells/*/cycles.jsonl")
    ends = [line for line in map(json.loads, records.read_text().splitlines()) if line["record"] == "end"]
    depths = [end["chain_depth"] for end in ends if end["method"] == "kexec"]
    assert depths == [1, 2, 3, 4, 5] * 2


def test_a_chain_without_an_end_is_a_mistake_of_settings(soak):
    result, _ = soak(0.0, "--kexec-methods=kexec", "--kexec-chain=5", "--kexec-blocks=5")
    assert result.ret == 4
    result.stdout.fnmatch_lines(["*--kexec-chain: a chain of kexecs ends with a method that goes through firmware*"])


def test_what_this_qemu_cannot_do_is_skipped_and_says_why(soak):
    result, folder = soak(0.0, "--kexec-device=igb,nvme", "--kexec-blocks=1", "-rs")
    assert result.ret == 0
    result.assert_outcomes(passed=2, skipped=3)
    result.stderr.fnmatch_lines(["skipped: debian-13+igb+seabios: QEMU 7.2.22 has no device igb"])
    result.stdout.fnmatch_lines(["SKIPPED *: QEMU 7.2.22 has no device igb"])
    run = json.loads((folder / "run.json").read_text())
    assert run["skipped"] == {"debian-13+igb+seabios": "QEMU 7.2.22 has no device igb"}
    assert [cell["device_set"] for cell in run["cells"]] == ["nvme"]
    assert "skipped: debian-13+igb+seabios: QEMU 7.2.22 has no device igb" in (folder / "report.md").read_text()


def test_what_the_guests_kernel_cannot_do_is_skipped_too(soak):
    """The simulated guest's kernel has every driver but one."""
    result, folder = soak(0.0, "--kexec-device=ne2k", "--kexec-blocks=1", "-rs")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["SKIPPED *: the kernel 6.1.0-50-cloud-amd64 has no module ne2k-pci"])
    assert json.loads((folder / "run.json").read_text())["cells"] == []
