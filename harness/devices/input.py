"""Keyboards and pointers that are not on USB: the driver is bound, and the input devices are there."""

from __future__ import annotations

from harness.devices.base import DeviceSet

DEVICE_SETS = (
    DeviceSet(
        name="virtio-input",
        summary="virtio keyboard and tablet on PCI",
        options=lambda _: [("-device", "virtio-keyboard-pci"), ("-device", "virtio-tablet-pci")],
        script="input.sh",
        driver="virtio_input",
        values={"INPUTS": "QEMU Virtio Keyboard|QEMU Virtio Tablet"},
    ),
    DeviceSet(
        name="ps2",
        summary="PS/2 keyboard and mouse, which the machine has anyway",
        options=lambda _: [],
        script="input.sh",
        driver="psmouse",
        of_the_board=("i8042",),
        values={"INPUTS": "AT Translated Set 2 keyboard|ImExPS/2 Generic Explorer Mouse"},
    ),
)
