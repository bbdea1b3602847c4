"""A disk that boots under SeaBIOS and OVMF, put together from a root file system without root or loop devices.

sector 0          MBR: GRUB's boot.img and a dos partition table
sector 1...       GRUB's core image for BIOS, in the gap before the first partition
1 MiB             EFI system partition (FAT): GRUB as EFI/BOOT/BOOTX64.EFI, or shim, which starts a GRUB that is signed
17 MiB            ext4, label kexec-root
behind it         an empty partition, for scenarios with a /boot of its own
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from harness.errors import ImageError
from harness.images.recipe import Recipe
from harness.images.rootfs import EPOCH
from harness.images.run import run
from harness.images.timestamps import settle_times

MIB = 1 << 20
SECTOR = 512
#: bytes of boot code in a master boot record, before disk signature and partition table
MBR_CODE = 440
ESP_START_MIB, ESP_MIB = 1, 16
ROOT_START_MIB = ESP_START_MIB + ESP_MIB
BOOT_MIB = 256
#: boot loaders as they are signed -> where the firmware, and the first of them, look for them
SIGNED = {"shimx64.efi": "EFI/BOOT/BOOTX64.EFI", "grubx64.efi": "EFI/BOOT/grubx64.efi"}
#: Debian's signed GRUB reads this first, in EFI/debian, and has nothing built in that is this image's
SIGNED_CONFIG = "signed-grub.cfg"
SIGNED_EARLY_CONFIG = """\
search --no-floppy --label --set=root kexec-root
set prefix=($root)/boot/grub
configfile $prefix/grub.cfg
"""
ASSEMBLE = Path(__file__).with_name("assemble.sh")

# Fixed identities, so that the same content gives the same disk.
ROOT_UUID = uuid.uuid5(uuid.NAMESPACE_URL, "kexec-harness:root")
DISK_SIGNATURE = ROOT_UUID.int & 0xFFFFFFFF
FAT_SERIAL = (ROOT_UUID.int >> 32) & 0xFFFFFFFF


def assemble_disk(recipe: Recipe, folder: Path, log: Path) -> Path:
    """Make `folder`/disk.raw from `folder`/rootfs.tar; leaves kernels, initrds and releases beside it.

    Raises ImageError, NoSpace or ToolMissing.
    """
    disk = folder / "disk.raw"
    with disk.open("wb") as file:
        file.truncate((ROOT_START_MIB + recipe.disk_mib + BOOT_MIB + 1) * MIB)
    _make_root(recipe, folder, disk, log)
    _partition(recipe, disk, log)
    esp = _make_esp(folder, log)
    core = (folder / "core.img").read_bytes()
    room = ESP_START_MIB * MIB - SECTOR
    if len(core) > room:
        raise ImageError(f"GRUB's core image is {len(core)} bytes and does not fit into the gap of {room} bytes")
    with disk.open("r+b") as file:
        file.write((folder / "boot.img").read_bytes()[:MBR_CODE])
        file.seek(SECTOR)
        file.write(core)
        file.seek(ESP_START_MIB * MIB)
        file.write(esp.read_bytes())
        file.flush()
        os.fsync(file.fileno())
    for name in ("boot.img", "core.img", "core.efi", "esp.img", *SIGNED, SIGNED_CONFIG):
        (folder / name).unlink(missing_ok=True)
    return disk


def _make_root(recipe: Recipe, folder: Path, disk: Path, log: Path) -> None:
    words = [str(folder), str(disk), str(ROOT_START_MIB * MIB), str(recipe.disk_mib * 1024), str(ROOT_UUID), str(EPOCH)]
    # Owners and device nodes: root makes them, anyone else pretends to for as long as the script runs.
    pretend = [] if os.geteuid() == 0 else ["fakeroot", "--"]
    # Times of creation: SOURCE_DATE_EPOCH from e2fsprogs 1.47.1 on, E2FSPROGS_FAKE_TIME before.
    env = {"SOURCE_DATE_EPOCH": str(EPOCH), "E2FSPROGS_FAKE_TIME": str(EPOCH)}
    run([*pretend, "sh", str(ASSEMBLE), *words], log=log, env=env)
    settle_times(f"{disk}?offset={ROOT_START_MIB * MIB}", EPOCH, folder / "debugfs.commands", {**os.environ, **env})


def _partition(recipe: Recipe, disk: Path, log: Path) -> None:
    table = (
        f"label: dos\nlabel-id: 0x{DISK_SIGNATURE:08x}\n"
        f"start={ESP_START_MIB}MiB, size={ESP_MIB}MiB, type=ef\n"
        f"start={ROOT_START_MIB}MiB, size={recipe.disk_mib}MiB, type=83, bootable\n"
        f"start={ROOT_START_MIB + recipe.disk_mib}MiB, size={BOOT_MIB}MiB, type=83\n"
    )
    run(["sfdisk", "--quiet", "--wipe=never", "--wipe-partitions=never", str(disk)], log=log, stdin=table)


def _make_esp(folder: Path, log: Path) -> Path:
    esp = folder / "esp.img"
    with esp.open("wb") as file:
        file.truncate(ESP_MIB * MIB)
    env = {"SOURCE_DATE_EPOCH": str(EPOCH), "TZ": "UTC"}
    run(["mkfs.vfat", "--invariant", "-i", f"{FAT_SERIAL:08x}", "-n", "ESP", str(esp)], log=log, env=env)
    files = {"core.efi": "EFI/BOOT/BOOTX64.EFI"}
    if all((folder / name).exists() for name in SIGNED):
        files = {**SIGNED, SIGNED_CONFIG: "EFI/debian/grub.cfg"}
        (folder / SIGNED_CONFIG).write_text(SIGNED_EARLY_CONFIG, "ascii")
    folders = dict.fromkeys(str(parent) for file in files.values() for parent in (*reversed(Path(file).parents),))
    run(["mmd", "-i", str(esp), *(f"::{name}" for name in folders if name != ".")], log=log, env=env)
    for name, target in files.items():
        os.utime(folder / name, (EPOCH, EPOCH))
        run(["mcopy", "-m", "-i", str(esp), str(folder / name), f"::{target}"], log=log, env=env)
    return esp
