"""What many tests share: golden files, settings without this host's environment, the project's own names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from kexec_load_machine import SHELLS, Machine
from own_disks import qcow2_disk, raw_disk

from harness.config import Known, Settings, Sources, resolve

SEED = 42


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-testdata", action="store_true", help="rewrite the verdicts in recorded logs' headers")
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files; the diff is for a reviewer")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Holds a text against a golden file, byte for byte; `--update-golden` writes the file instead."""

    def check(path: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        assert path.is_file(), f"{path} does not exist; pytest --update-golden makes it"
        assert text == path.read_bytes().decode(), f"differs from {path}; pytest --update-golden accepts it"

    return check


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's outcome must not hang on the settings of whoever runs it, e.g. `make test BLOCKS=1`."""
    for variable in list(os.environ):
        if variable.startswith("KEXEC_"):
            monkeypatch.delenv(variable)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """Resolves settings given as on a command line: `settings(device="nvme")`."""

    def make(**command_line: object) -> Settings:
        return resolve(Sources(command_line=command_line, folder=tmp_path), draw_seed=lambda: SEED)

    return make


@pytest.fixture
def known() -> Known:
    """Two images, four device sets and two methods."""
    return Known(
        image=("debian-12", "debian-13"),
        device=("ahci", "e1000e", "nvme", "virtio-net"),
        methods=("cold", "kexec"),
    )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A fake machine about to reboot, with kexec-load in service."""
    return Machine(tmp_path)


@pytest.fixture(params=SHELLS)
def any_machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    """The same, once under dash and once with nothing but busybox."""
    return Machine(tmp_path, request.param)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A disk image of the user's, raw."""
    return raw_disk(tmp_path / "disks" / "cloud.raw")


@pytest.fixture
def qcow2(tmp_path: Path) -> Path:
    """The same as qcow2."""
    return qcow2_disk(tmp_path / "disks" / "cloud.qcow2")
