"""Faults injected into reboots of a real machine get the verdicts that they must get (docs/faults.md)."""

from __future__ import annotations

import pytest

from harness.clock import HostClock
from harness.model import Cell, is_disk_file
from harness.selftest.session import CLEAN_CYCLES, DEVICE_SET, FOLDER, Session, choose

pytestmark = pytest.mark.vm


@pytest.mark.parametrize("quick", [True, pytest.param(False, marks=pytest.mark.thorough)], ids=["quick", "all"])
def test_every_fault_gets_its_verdict_and_no_clean_reboot_one(cell, quick, pytestconfig):
    if cell != Cell(image=cell.image, device_set=DEVICE_SET) or is_disk_file(cell.image):
        pytest.skip("faults are injected into the default cell of each image made here: others' disks cannot be saved")
    plugin = pytestconfig.pluginmanager.get_plugin("kexec-harness-run")
    plugin.guests.close()
    faults = choose((), quick=quick)
    clean = 2 if quick else CLEAN_CYCLES
    folder = plugin.run.run_dir / FOLDER
    trials = Session(plugin.settings, HostClock(), folder=folder, say=plugin.say).run([cell.image], faults, clean)
    wrong = {trial.fault: (trial.found_name, trial.verdict.reason) for trial in trials if not trial.right}
    assert wrong == {}
    assert len(trials) == clean + sum(not fault.images or cell.image in fault.images for fault in faults)
