"""Displays: the kernel's driver has taken the card over, its framebuffer console is bound, and the screen is not blank.

A row is a card: name, QEMU's device, the driver, its kernel module, and what it is.
"""

from __future__ import annotations

from harness.devices.base import DeviceSet, Host, Resources
from harness.model import DeviceFinding

CARDS = (
    ("std-vga", "VGA", "bochs-drm", "bochs", "QEMU's standard VGA"),
    ("bochs-display", "bochs-display", "bochs-drm", "bochs", "the same without VGA's registers"),
    ("cirrus", "cirrus-vga", "cirrus|cirrus-qemu", "cirrus|cirrus-qemu", "Cirrus Logic GD5446"),
    ("qxl", "qxl-vga", "qxl", "qxl", "Spice's paravirtual card"),
    ("virtio-gpu", "virtio-gpu-pci", "virtio_gpu", "virtio-gpu", "virtio graphics card"),
    ("virtio-vga", "virtio-vga", "virtio_gpu", "virtio-gpu", "the same with VGA's registers"),
    ("vmware", "vmware-svga", "vmwgfx", "vmwgfx", "VMware's SVGA II"),
)


def look(host: Host, lent: Resources) -> tuple[DeviceFinding, ...]:
    """Whether the picture has more than one colour. Raises MachineError if QEMU has none."""
    file = lent.folder / f"screen{lent.suffix}.ppm"
    host.execute("screendump", {"filename": str(file), "device": lent.id("display"), "head": 0})
    width, height, pixels = picture(file.read_bytes())
    colours = len({pixels[at : at + 3] for at in range(0, len(pixels), 3)})
    detail = f"{width}x{height} points in {colours} colour{'' if colours == 1 else 's'}"
    return (DeviceFinding("screen", ok=colours > 1, detail=detail),)


def picture(ppm: bytes) -> tuple[int, int, bytes]:
    """Width, height and pixels (three bytes each) of a picture in the format P6 (ppm(5)), as QEMU writes it."""
    _, size, _, pixels = ppm.split(b"\n", 3)
    width, height = size.split()
    return int(width), int(height), pixels


def _set(name: str, device: str, driver: str, module: str, summary: str) -> DeviceSet:
    return DeviceSet(
        name=name,
        summary=summary,
        options=lambda lent: [("-device", f"{device},id={lent.id('display')}")],
        script="display.sh",
        driver=driver,
        modules=(module,),
        look=look,
    )


DEVICE_SETS = tuple(_set(*card) for card in CARDS)
