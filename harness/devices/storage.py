"""Disks: a pattern written and flushed before the reboot is read back after it, past every cache."""

from __future__ import annotations

from harness.devices.base import DISK_SERIAL, DeviceSet, Resources
from harness.model import Option


def _drive(resources: Resources) -> Option:
    return ("-drive", f"if=none,id=data0,format=raw,file={resources.data_disk},cache=writeback")


def _set(name: str, device: str, driver: str, summary: str, controller: tuple[Option, ...] = ()) -> DeviceSet:
    return DeviceSet(
        name=name,
        summary=summary,
        options=lambda resources: [
            _drive(resources),
            *controller,
            ("-device", f"{device},drive=data0,serial={DISK_SERIAL}"),
        ],
        script="storage.sh",
        driver=driver,
    )


DEVICE_SETS = (
    _set("virtio-blk", "virtio-blk-pci", "virtio_blk", "virtio block device on PCI"),
    _set("nvme", "nvme", "nvme", "NVMe controller with one namespace"),
    _set("ahci", "ide-hd,bus=ahci0.0", "ahci", "SATA disk on an AHCI controller", (("-device", "ahci,id=ahci0"),)),
)
