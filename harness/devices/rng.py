"""Random numbers: the device is the kernel's source of them, and two reads give bytes that differ."""

from __future__ import annotations

from harness.devices.base import DeviceSet

DEVICE_SETS = (
    DeviceSet(
        name="virtio-rng",
        summary="virtio entropy source on PCI",
        options=lambda lent: [
            ("-object", f"rng-builtin,id={lent.id('rng')}"),
            ("-device", f"virtio-rng-pci,rng={lent.id('rng')}"),
        ],
        script="rng.sh",
        driver="virtio_rng",
        modules=("virtio-rng",),
    ),
)
