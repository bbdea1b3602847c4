"""Machines whose QEMU is tests/fake_qemu.py: for what needs real sockets and a real process, but no guest."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from harness.clock import HostClock
from harness.config import Settings
from harness.lab import machine_spec
from harness.model import Accel, Cell
from harness.qemu.folder import PrivateFolder
from harness.qemu.machine import QemuMachine

FAKE = Path(__file__).with_name("fake_qemu.py")
READY = (
    '\x1e{"type":"ready","boot_id":"new","state":"running","nonce":"","cmdline_nonce":"","kernel_release":"6.12",'
    '"bootloader_type":114,"failed_units":[]}\n'
)
Steps = list[tuple[str, object]]


def fake_machine(settings: Settings, tmp_path: Path, steps: Steps, program: str | None = None) -> QemuMachine:
    """A machine that plays these steps once it is told to run: (channel, text) or what `fake_qemu.Fake.play` knows.

    `program` is a shell script in its place.
    """
    qemu = tmp_path / "qemu"
    script = program or f'exec {sys.executable} {FAKE} "$@"'
    qemu.write_text(f"#!/bin/sh\n{script}\n")
    qemu.chmod(0o755)
    folder = PrivateFolder()
    (folder.path / "play.json").write_text(json.dumps(steps))
    cell = Cell(image="debian-13", device_set="virtio-net")
    spec = machine_spec(cell, settings, folder=folder.path, accel=Accel.TCG)
    return QemuMachine(qemu, spec, folder, HostClock())
