"""The machine in which a disk of the user's own prepares itself."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.clock import Clock
from harness.host import firmware_files
from harness.images.own_disk import Disks
from harness.model import Accel, Cell, Firmware, Option
from harness.model.architectures import ARCHITECTURES
from harness.qemu.argv import MachineSpec, no_commas
from harness.qemu.folder import PrivateFolder
from harness.qemu.machine import QemuMachine

#: MiB; distributions' cloud images ask for no more
LEAST_MEMORY_MIB = 1024
#: by which the guest knows the disk, as /dev/disk/by-id/virtio-NAME
HANDOVER = "kexec-handover"


def preparing_machine(
    name: str,
    disks: Disks,
    *,
    qemu: Path,
    accel: Accel,
    memory_mib: int,
    cpus: int,
    clock: Clock,
    folder: PrivateFolder,
) -> QemuMachine:
    """The machine, not yet powered on; `folder` is its private one, and goes with it. Raises InfraError."""
    try:
        firmware = firmware_files(disks.firmware)
        spec = preparing_spec(
            name,
            disks,
            folder=folder.path,
            accel=accel,
            memory_mib=memory_mib,
            cpus=cpus,
            ovmf_code=firmware.code,
        )
        if spec.ovmf_vars is not None and firmware.vars is not None:
            shutil.copyfile(firmware.vars, spec.ovmf_vars)
    except BaseException:
        folder.remove()
        raise
    return QemuMachine(qemu, spec, folder, clock)


def preparing_spec(
    name: str,
    disks: Disks,
    *,
    folder: Path,
    accel: Accel,
    memory_mib: int,
    cpus: int,
    ovmf_code: Path | None = None,
) -> MachineSpec:
    """What it is made of; pure. `folder` is its private one. It has no network card unless it may reach the network."""
    cell = Cell(image=name, device_set="prepare", firmware=disks.firmware)
    return MachineSpec(
        cell=cell,
        # The board that every system knows.
        machine=ARCHITECTURES[cell.arch].machines[0],
        accel=accel,
        memory_mib=max(memory_mib, LEAST_MEMORY_MIB),
        cpus=cpus,
        folder=folder,
        root_disk=disks.root,
        root_options=(("-device", "virtio-blk-pci,drive=root0,bootindex=1"),),
        device_options=(
            *_raw_disk("seed", disks.seed, "readonly=on", "serial=kexec-seed"),
            *_raw_disk("handover", disks.handover, "cache=unsafe", f"serial={HANDOVER}"),
        ),
        more_options=_network() if disks.network else (),
        echoes=0,
        ovmf_code=ovmf_code,
        ovmf_vars=folder / "ovmf-vars.fd" if disks.firmware is Firmware.OVMF else None,
    )


def _raw_disk(name: str, path: Path, how: str, serial: str) -> tuple[Option, ...]:
    return (
        ("-drive", f"if=none,id={name},format=raw,file={no_commas(str(path))},{how}"),
        ("-device", f"virtio-blk-pci,drive={name},{serial}"),
    )


def _network() -> tuple[Option, ...]:
    return (("-netdev", "user,id=packages"), ("-device", "virtio-net-pci,netdev=packages"))
