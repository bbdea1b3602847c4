"""A disk image of the user's own, IMAGE=file: a cloud image of Debian is prepared by its cloud-init, and soaked."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from cloud_image import cloud_image

from harness.images.cache import sha256_of
from harness.model import RunInfo

pytestmark = [pytest.mark.vm, pytest.mark.thorough]

#: a preparation and three boots under emulation on a busy host
PATIENCE_S = 3600


@pytest.fixture(scope="session")
def image(pytestconfig):
    plugin = pytestconfig.pluginmanager.getplugin("kexec-harness-run")
    return cloud_image(plugin.settings.cache_dir, plugin.settings.mirror, plugin.say)


@pytest.mark.parametrize("firmware", ["seabios", "ovmf"])
def test_an_image_that_knows_cloud_init_is_rebooted_by_kexec_and_cold(image, firmware, tmp_path):
    before = sha256_of(image)
    words = [f"--kexec-{name}={value}" for name, value in (("image", image), ("firmware", firmware), ("blocks", 1))]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "scenarios/test_soak.py", *words, f"--kexec-results={tmp_path}"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "latest/cycles.csv").open(newline="") as text:
        cycles = {cycle["method"]: cycle for cycle in csv.DictReader(text)}
    assert {name: (cycle["outcome"], cycle["path"]) for name, cycle in cycles.items()} == {
        "kexec": ("pass", "kexec"),
        "cold": ("pass", "firmware"),
    }
    run = msgspec.json.decode((tmp_path / "latest/run.json").read_bytes(), type=RunInfo)
    assert run.images == {str(image): before}
    assert sha256_of(image) == before
