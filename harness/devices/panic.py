"""Ways by which a guest tells its host of a panic: the driver is bound, and the notes are written by each kernel."""

from __future__ import annotations

from harness.devices.base import DeviceSet

DEVICE_SETS = (
    DeviceSet(
        name="pvpanic",
        summary="pvpanic on ISA",
        options=lambda _: [("-device", "pvpanic")],
        script="panic.sh",
        driver="pvpanic-mmio",
        modules=("pvpanic-mmio",),
    ),
    DeviceSet(
        name="pvpanic-pci",
        summary="pvpanic on PCI",
        options=lambda _: [("-device", "pvpanic-pci")],
        script="panic.sh",
        driver="pvpanic-pci",
    ),
    DeviceSet(
        name="vmcoreinfo",
        summary="the kernel's VMCOREINFO note, which every machine here takes",
        options=lambda _: [],
        script="panic.sh",
        driver="fw_cfg",
        modules=("qemu_fw_cfg",),
        values={"NOTE": "/sys/firmware/qemu_fw_cfg/by_name/etc/vmcoreinfo/raw"},
    ),
)
