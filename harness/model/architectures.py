"""What differs between architectures, as data: one row each, and no `if` elsewhere.

A further architecture is a row here, a recipe with its package names in `images/`, and device sets that it has. Of the
register dump, `harness.qemu.heartbeat` knows x86's names alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from harness.model.cells import Accel, Firmware, Loader


class MachineType(Struct, frozen=True, kw_only=True):
    """A board that QEMU emulates, and what differs from board to board of what every machine here has."""

    #: what people call it
    name: str
    #: what QEMU calls it
    qemu: str
    #: what names of virtio devices end with that fit on its bus: PCI's, or that of memory-mapped I/O
    virtio: str = "pci"
    #: serial ports that are on the board; further ones are devices on its ISA bus
    serial_ports: int = 4
    #: files with SeaBIOS as built for it, the first that exists; none: QEMU has it built in
    seabios: tuple[str, ...] = ()
    #: word by which a kernel is told how fast its time stamp counter runs (`{khz}`), where an emulated board has
    #: nothing that it could measure it with
    clock_word: str = ""
    #: firmware and loaders that do not work on it -> why
    cannot: Mapping[Firmware | Loader, str] = {}


class Architecture(Struct, frozen=True, kw_only=True):
    """One row of the table. Names are QEMU's unless said otherwise."""

    name: str
    #: Debian's name
    debian: str
    #: the first is the one that device sets are made for
    machines: tuple[MachineType, ...]
    cpu: dict[Accel, str]
    #: what Linux calls the first serial port
    serial_console: str
    #: I/O port where firmware prints its debug output; None if the machine has no such port
    debug_port: int | None
    #: firmware that prints there whenever it runs, in the builds that distros ship
    talkative_firmware: frozenset[Firmware]
    #: /proc/sys/kernel/bootloader_type after a kexec; None where there is no such number
    kexec_bootloader_type: int | None
    #: packages with a boot loader that firmware starts under secure boot
    signed_loader: tuple[str, ...]
    #: GRUB's target platform -> file below /boot/grub, and the modules that only it needs
    grub_images: dict[str, tuple[str, str]]

    def machine(self, name: str) -> MachineType | None:
        """The board that people call `name`; None if there is none."""
        return next((machine for machine in self.machines if machine.name == name), None)


ARCHITECTURES: dict[str, Architecture] = {
    row.name: row
    for row in (
        Architecture(
            name="x86_64",
            debian="amd64",
            machines=(
                MachineType(name="q35", qemu="q35"),
                MachineType(
                    name="i440fx",
                    qemu="pc",
                    cannot={
                        Firmware.OVMF_SECBOOT: "OVMF's secure boot needs memory that only SMM reaches, which q35 has"
                    },
                ),
                MachineType(
                    name="microvm",
                    qemu="microvm",
                    virtio="device",
                    serial_ports=1,
                    seabios=("/usr/share/seabios/bios-microvm.bin", "/usr/share/qemu/bios-microvm.bin"),
                    # Reduced-hardware ACPI: Linux leaves the PIT alone, and there is neither HPET nor PM timer.
                    clock_word="tsc_early_khz={khz}",
                    cannot={
                        Firmware.OVMF: "distros do not ship OVMF as built for it",
                        Firmware.OVMF_SECBOOT: "distros do not ship OVMF as built for it",
                        Loader.GRUB: "a kernel without the word tsc_early_khz finds no clock on it, and only "
                        "LOADER=direct gives it that word",
                    },
                ),
            ),
            cpu={Accel.KVM: "host", Accel.TCG: "max"},
            serial_console="ttyS0",
            debug_port=0x402,
            # SeaBIOS always does, release builds of OVMF never do.
            talkative_firmware=frozenset({Firmware.SEABIOS}),
            # type_of_loader 0xD, version 0 (Linux Documentation/arch/x86/boot.rst)
            kexec_bootloader_type=0xD0,
            signed_loader=("shim-signed", "grub-efi-amd64-signed"),
            grub_images={
                "i386-pc": ("core.img", "biosdisk"),
                "x86_64-efi": ("core.efi", "fat efi_gop all_video"),
            },
        ),
    )
}
