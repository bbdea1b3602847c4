"""Reboot methods: scripts that a guest's shell understands, and nothing of one cycle left for the next."""

from __future__ import annotations

import subprocess

import pytest
from paths import PROJECT

from harness.lab import methods

METHODS = methods()


@pytest.mark.parametrize("name", METHODS)
def test_what_arms_and_triggers_a_method_is_shell_and_carries_the_nonce(name):
    method = METHODS[name]
    for script in (method.arm("nonce-of-this-cycle"), method.trigger):
        command = ["dash", "-n", "-c", script]
        assert subprocess.run(command, capture_output=True, text=True, check=False).stderr == ""
    assert "nonce-of-this-cycle" in method.arm("nonce-of-this-cycle")


def test_the_arms_that_people_know():
    assert set(METHODS) == {
        *("kexec", "cold", "power-cycle", "distro-kexec", "systemctl-kexec", "kexec-file-load", "kexec-classic-load"),
        "soft-reboot",
    }


@pytest.mark.parametrize(
    ("files", "loaded"),
    [
        # Older kernels have the second alone; newer ones keep it beside the first.
        ({"kexec_loaded": "1"}, "1"),
        ({"kexec/loaded": "1", "kexec_loaded": "1"}, "1"),
        ({"kexec/loaded": "0", "kexec_loaded": "0"}, "0"),
        ({}, ""),
    ],
)
def test_an_image_without_systemd_knows_whether_a_kernel_is_loaded(tmp_path, files, loaded):
    script = (PROJECT / "images/init/without-systemd/usr/lib/kexec-harness/next-kernel.sh").read_text("utf-8")
    [line] = [line.strip() for line in script.splitlines() if line.strip().startswith("loaded=")]
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{content}\n")
    command = ["dash", "-c", f'{line.replace("/sys/kernel", str(tmp_path))}; printf %s "$loaded"']
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == loaded
