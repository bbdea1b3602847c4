"""Runs that do not end well: QEMU dies in the middle of a cycle, and somebody presses Ctrl-C."""

from __future__ import annotations

import csv
import os
import signal
import sys
import time
from pathlib import Path

import pexpect
import pytest

pytestmark = pytest.mark.vm

#: image build and several boots under emulation on a busy host
PATIENCE_S = 600
PROMISED_S = 5.0


def qemus_of(parent: int) -> list[int]:
    """Process ids of the machines that a run has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = status.read_text().rsplit(")", 1)
        except OSError:
            continue
        if "(qemu-system" in name and int(rest.split()[1]) == parent:
            found.append(int(status.parent.name))
    return found


def test_a_killed_qemu_fails_its_cycle_and_ctrl_c_keeps_what_was_found(cell, tmp_path):
    command = [f"--kexec-{name}={value}" for name, value in (("device", cell.device_set), ("image", cell.image))]
    run = pexpect.spawn(
        sys.executable,
        ["-m", "pytest", "scenarios/test_soak.py", *command, "--kexec-blocks=2", f"--kexec-results={tmp_path}"],
        cwd=str(Path(__file__).parents[1]),
        timeout=PATIENCE_S,
        encoding="utf-8",
        # A shell starts what it puts into the background with Ctrl-C ignored, and children would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    run.expect(r"1/4 (kexec|cold): pass")
    [qemu] = qemus_of(run.pid)
    os.kill(qemu, signal.SIGKILL)
    run.expect(r"2/4 (kexec|cold): FAIL qemu_abort: QEMU ended during the cycle \(killed by signal 9\)")
    run.expect("booting a new machine")
    while not qemus_of(run.pid):
        run.expect([".+", pexpect.TIMEOUT], timeout=0.1)
    [qemu] = qemus_of(run.pid)
    pressed = time.monotonic()
    run.sendintr()
    run.expect(pexpect.EOF)
    run.close()
    assert time.monotonic() - pressed < PROMISED_S
    assert run.exitstatus == 2
    assert not Path(f"/proc/{qemu}").exists()
    with (tmp_path / "latest/cycles.csv").open(newline="") as text:
        cycles = list(csv.DictReader(text))
    assert [(cycle["outcome"], cycle["failure_class"]) for cycle in cycles] == [("pass", ""), ("fail", "qemu_abort")]
    assert {path.name for path in (tmp_path / "latest").iterdir()} >= {"run.json", "summary.csv", "junit.xml"}
