"""The scripts among the artefacts: repro.sh and qemu.sh are clean, and do what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from test_artefacts import HOSTILE, case, end, inspection, rerun

from harness.artefacts import command_line, repro
from harness.model import Firmware


def shellcheck(script: Path) -> None:
    checker = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([checker, "--shell=sh", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def checkout(folder: Path, sha256: str) -> Path:
    """Something like a checkout, whose make prints what it is asked for."""
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / "Makefile").write_text("setup:\n\nsoak:\n\t@echo soak BLOCKS=$(BLOCKS) SEED=$(SEED) '$(CACHE_DIR)'\n")
    tool = folder / ".venv/bin/kexec-harness"
    tool.write_text(f'#!/bin/sh\necho \'{{"name":"debian-13","sha256":"{sha256}"}}\'\n')
    tool.chmod(0o755)
    return folder


def run_repro(tmp_path: Path, sha256: str, version: str) -> subprocess.CompletedProcess[str]:
    qemu = tmp_path / "qemu"
    qemu.write_text(f"#!/bin/sh\necho 'QEMU emulator version {version} (Debian 1:{version})'\n")
    qemu.chmod(0o755)
    script = tmp_path / "repro.sh"
    settings = {"CACHE_DIR": str(tmp_path / "cache here")}
    project = checkout(tmp_path / "a checkout", sha256)
    script.write_text(repro.script(end(reason=HOSTILE), rerun(project, QEMU=str(qemu), **settings)))
    shellcheck(script)
    return subprocess.run(["sh", script], capture_output=True, text=True, cwd=tmp_path, check=False)


def test_repro_runs_the_cell_up_to_the_cycle_that_failed(tmp_path):
    done = run_repro(tmp_path, "ab" * 32, "7.2.22")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"soak BLOCKS=5 SEED=7 {tmp_path}/cache here\n" in done.stdout
    assert not (tmp_path / "owned").exists()
    assert "\x1b" not in (tmp_path / "repro.sh").read_text()


def test_repro_says_what_is_not_as_it_was_and_runs_all_the_same(tmp_path):
    done = run_repro(tmp_path, "cd" * 32, "9.1.0")
    assert "QEMU: then 7.2.22, now 9.1.0" in done.stderr
    assert f"the image debian-13: then {'ab' * 8}, now {'cd' * 32}" in done.stderr
    assert "soak BLOCKS=5" in done.stdout


def test_repro_without_a_checkout_says_so(tmp_path):
    script = tmp_path / "repro.sh"
    script.write_text(repro.script(end(), rerun(tmp_path / "gone")))
    done = subprocess.run(["sh", script], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "gone: no checkout of kexec-harness" in done.stderr


@pytest.mark.parametrize("firmware", list(Firmware))
def test_the_machine_can_be_run_by_hand_from_any_folder(tmp_path, firmware):
    given = case(tmp_path, inspection=inspection(Path("/tmp/kexec-harness-x1"), firmware=firmware))
    command_line.take(given)
    script = (tmp_path / "qemu.sh").read_text()
    shellcheck(tmp_path / "qemu.sh")
    assert "kexec-harness-x1" not in script
    assert "-chardev stdio,id=console" in script
    assert 'file="$dir"/root.qcow2' in script
    assert "\n    -S" not in script
    assert ("OVMF_VARS" in script) == (firmware is not Firmware.SEABIOS)
    assert ("OVMF_VARS_4M.ms.fd" in script) == (firmware is Firmware.OVMF_SECBOOT)
