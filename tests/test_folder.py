"""A machine's private folder: entered by one user only, and gone even if the harness was killed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.qemu.folder import PrivateFolder


@pytest.fixture(autouse=True)
def own_tmp(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_only_this_user_can_enter_it_and_it_goes_with_all_that_is_in_it():
    folder = PrivateFolder()
    assert folder.path.stat().st_mode & 0o777 == 0o700
    (folder.path / "disk").write_text("...")
    folder.remove()
    folder.remove()
    assert not folder.path.exists()


def test_a_killed_harness_leaves_a_folder_that_the_next_one_removes(own_tmp):
    killed = (
        f"import os, tempfile; tempfile.tempdir = {str(own_tmp)!r}\n"
        "from harness.qemu.folder import PrivateFolder\n"
        "print(PrivateFolder().path, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", killed], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    [left] = own_tmp.iterdir()
    assert str(left) == done.stdout.strip()
    mine = PrivateFolder()
    assert list(own_tmp.iterdir()) == [mine.path]


def test_a_folder_in_use_stays():
    first, second = PrivateFolder(), PrivateFolder()
    PrivateFolder()
    assert first.path.is_dir()
    assert second.path.is_dir()


def test_what_is_not_a_machines_folder_stays(own_tmp):
    (own_tmp / "kexec-harness-notes").mkdir()
    PrivateFolder()
    assert (own_tmp / "kexec-harness-notes").is_dir()
