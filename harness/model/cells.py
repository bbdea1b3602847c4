"""What a cell is: one combination of dimensions."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from harness.model.kernels import ARROW, DEFAULT_KERNEL


class Firmware(StrEnum):
    SEABIOS = "seabios"
    OVMF = "ovmf"


class Loader(StrEnum):
    """How a cold boot gets its kernel: GRUB from the disk, or QEMU's `-kernel`."""

    GRUB = "grub"
    DIRECT = "direct"


class Accel(StrEnum):
    KVM = "kvm"
    TCG = "tcg"


class Cell(Struct, frozen=True, kw_only=True):
    """One combination of dimensions. Methods are not part of it: every arm runs in the same cell."""

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
        parts = [self.image, self.device_set, self.firmware.value]
        for field in ("loader", "kernel", "machine", "arch"):
            value = str(getattr(self, field))
            if value != str(DEFAULT_DIMENSIONS[field]):
                parts.append(value.rpartition("/")[2].replace(ARROW, "-to-"))
        return "+".join(part.replace("/", "_") for part in parts)


DEFAULT_DIMENSIONS = {"loader": Loader.GRUB, "kernel": DEFAULT_KERNEL, "machine": "q35", "arch": "x86_64"}


#: one QEMU option with its value ("" for an option that takes none)
Option = tuple[str, str]
