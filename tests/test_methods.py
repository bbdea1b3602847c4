"""Reboot methods: scripts that a guest's shell understands, and nothing of one cycle left for the next."""

from __future__ import annotations

import subprocess

import pytest

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
        *("kexec", "cold", "power-cycle", "distro-kexec", "systemctl-kexec", "kexec-file-load", "kexec-classic-load")
    }
