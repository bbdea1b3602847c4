"""IOMMUs: the kernel translates for devices behind one, a disk and a network card of which do their work.

The kernel is given the words that make it translate. What an IOMMU of the old kernel still translates when a new one
starts is what a kexec has to survive.
"""

from __future__ import annotations

from msgspec import structs

from harness.devices import network, storage
from harness.devices.base import DeviceSet, several
from harness.model import Option

#: name -> QEMU's options, name of the unit below /sys/class/iommu, modules, words, and what it is
UNITS: tuple[tuple[str, tuple[Option, ...], str, tuple[str, ...], tuple[str, ...], str], ...] = (
    (
        "intel-iommu",
        (("-machine", "kernel-irqchip=split"), ("-device", "intel-iommu,intremap=on")),
        "dmar",
        (),
        ("intel_iommu=on", "iommu.passthrough=0"),
        "Intel VT-d with interrupt remapping",
    ),
    ("amd-iommu", (("-device", "amd-iommu"),), "ivhd", (), ("iommu.passthrough=0",), "AMD-Vi"),
    (
        "virtio-iommu",
        (("-device", "virtio-iommu-pci"),),
        "virtio",
        ("virtio-iommu",),
        ("iommu.passthrough=0",),
        "virtio IOMMU on PCI",
    ),
)
DEVICES = {device.name: device for device in (*network.DEVICE_SETS, *storage.DEVICE_SETS)}


def _set(row: tuple[str, tuple[Option, ...], str, tuple[str, ...], tuple[str, ...], str]) -> DeviceSet:
    name, options, unit, modules, words, summary = row
    alone = DeviceSet(
        name=name,
        summary=summary,
        options=lambda _: list(options),
        script="iommu.sh",
        driver=unit,
        modules=modules,
        words=words,
        values={"UNIT": unit},
    )
    whole = several([alone, DEVICES["nvme"], DEVICES["e1000e"]])
    return structs.replace(whole, name=name, summary=f"{summary}, with an NVMe disk and an e1000e behind it")


DEVICE_SETS = tuple(map(_set, UNITS))
