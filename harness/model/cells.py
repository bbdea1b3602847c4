"""What a cell is: one combination of dimensions."""

from __future__ import annotations

import re
from enum import StrEnum

from msgspec import Struct

from harness.model.kernels import ARROW, DEFAULT_KERNEL

#: how names of disk images end
DISK_SUFFIXES = (".qcow2", ".raw", ".img")
#: of a disk image's name, as many characters name its cells
MAX_NAME = 80


def is_disk_file(image: str) -> bool:
    """Whether it is a path, of a disk image that the user has, and not the name of a recipe."""
    return "/" in image or image.endswith(DISK_SUFFIXES)


def disk_name(image: str) -> str:
    """What cells and folders of a disk image are called: its file's name, of characters that are safe in every name.

    >>> disk_name("/srv/My disk+1.qcow2")
    'My_disk_1.qcow2'
    """
    name = re.sub(r"[^A-Za-z0-9._-]", "_", image.rstrip("/").rpartition("/")[2])[-MAX_NAME:]
    return re.sub(r"^[.-]", "_", name) or "_"


class Firmware(StrEnum):
    SEABIOS = "seabios"
    OVMF = "ovmf"
    #: OVMF that starts nothing but what is signed, with Microsoft's keys
    OVMF_SECBOOT = "ovmf-secboot"


class Loader(StrEnum):
    """How a cold boot gets its kernel: GRUB from the disk, or QEMU's `-kernel`."""

    GRUB = "grub"
    DIRECT = "direct"


class Accel(StrEnum):
    KVM = "kvm"
    TCG = "tcg"

    @property
    def emulated(self) -> bool:
        """Whether no hardware runs the guest's code."""
        return self is Accel.TCG


class Cell(Struct, frozen=True, kw_only=True):
    """One combination of dimensions. Methods are not part of it: every arm runs in the same cell."""

    #: the name of a recipe, or the path of a disk image
    image: str
    device_set: str
    firmware: Firmware = Firmware.SEABIOS
    loader: Loader = Loader.GRUB
    #: as `harness.model.kernels` reads it
    kernel: str = DEFAULT_KERNEL
    machine: str = "q35"
    arch: str = "x86_64"

    @property
    def cell_id(self) -> str:
        """Readable and safe as a file name; dimensions at their default are left out."""
        image = disk_name(self.image) if is_disk_file(self.image) else self.image
        parts = [image, self.device_set, self.firmware.value]
        for field in ("loader", "kernel", "machine", "arch"):
            value = str(getattr(self, field))
            if value != str(DEFAULT_DIMENSIONS[field]):
                parts.append(value.rpartition("/")[2].replace(ARROW, "-to-"))
        return "+".join(part.replace("/", "_") for part in parts)


DEFAULT_DIMENSIONS = {"loader": Loader.GRUB, "kernel": DEFAULT_KERNEL, "machine": "q35", "arch": "x86_64"}


#: one QEMU option with its value ("" for an option that takes none)
Option = tuple[str, str]
