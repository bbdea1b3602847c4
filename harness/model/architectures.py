"""What differs between architectures, as data: one row each, and no `if` elsewhere.

A further architecture is a row here, a recipe with its package names in `images/`, and device sets that it has. Of the
register dump, `harness.qemu.heartbeat` knows x86's names alone.
"""

from __future__ import annotations

from msgspec import Struct

from harness.model.cells import Accel, Firmware


class Architecture(Struct, frozen=True, kw_only=True):
    """One row of the table. Names are QEMU's unless said otherwise."""

    name: str
    #: Debian's name
    debian: str
    machines: tuple[str, ...]
    cpu: dict[Accel, str]
    #: what Linux calls the first serial port
    serial_console: str
    #: I/O port where firmware prints its debug output; None if the machine has no such port
    debug_port: int | None
    #: firmware that prints there whenever it runs, in the builds that distros ship
    talkative_firmware: frozenset[Firmware]
    #: /proc/sys/kernel/bootloader_type after a kexec; None where there is no such number
    kexec_bootloader_type: int | None
    #: GRUB's target platform -> file below /boot/grub, and the modules that only it needs
    grub_images: dict[str, tuple[str, str]]


ARCHITECTURES: dict[str, Architecture] = {
    row.name: row
    for row in (
        Architecture(
            name="x86_64",
            debian="amd64",
            machines=("q35", "pc"),
            cpu={Accel.KVM: "host", Accel.TCG: "max"},
            serial_console="ttyS0",
            debug_port=0x402,
            # SeaBIOS always does, release builds of OVMF never do.
            talkative_firmware=frozenset({Firmware.SEABIOS}),
            # type_of_loader 0xD, version 0 (Linux Documentation/arch/x86/boot.rst)
            kexec_bootloader_type=0xD0,
            grub_images={
                "i386-pc": ("core.img", "biosdisk"),
                "x86_64-efi": ("core.efi", "fat efi_gop all_video"),
            },
        ),
    )
}
