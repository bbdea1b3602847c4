"""A disk image that the user has, prepared as a guest: IMAGE=file, or a recipe with url and sha256.

The original is never written to. A copy of it boots once with a seed disk, on which its own cloud-init finds what
makes it a guest, and has its own place in the cache:

    CACHE/images/own-disks/NAME-KEY/   as a folder of CACHE/images (harness.images.cache), with disk.qcow2
    CACHE/images/own-disks/NAME.console.log    what the last preparation's machine printed, if it failed
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from harness.clock import Clock
from harness.errors import ConfigError, ImageError, NoSpace
from harness.host.tools import find_tool
from harness.images import cache, guestfiles
from harness.images.cache import BuiltImage
from harness.images.disk import MBR_CODE, MIB
from harness.images.disk_file import DiskFile, inspect, may_boot
from harness.images.entry import Progress, ensure_entry
from harness.images.own_kernel import release_of
from harness.images.preparation import MAX_HANDED_BYTES, Prepared, printable, watch_preparation
from harness.images.recipe import DiskRecipe
from harness.images.run import run
from harness.images.seed import user_data, write_seed
from harness.model import Firmware, disk_name, is_disk_file
from harness.qemu.machine import Machine

#: Raise it when the same original and files are made into something else.
PREPARATION_FORMAT = 1
TIMEOUT_S = 60
#: room beside the copy: what the guest writes, and the kernel it hands over
MORE_MIB = 1024


class Disks(Struct, frozen=True, kw_only=True):
    """The disks of the machine that prepares itself, and what starts it."""

    root: Path
    #: read-only, raw
    seed: Path
    #: what the guest writes its kernel and initrd to, raw
    handover: Path
    firmware: Firmware
    network: bool


def recipe_of_file(name: str, cache_dir: Path) -> DiskRecipe:
    """The recipe for a file of the user's, whose path is `name`. Raises ConfigError for one that is no disk image."""
    path = Path(name).expanduser()
    inspect(path, "IMAGE")
    with cache.writable(cache_dir):
        return DiskRecipe(name=name, url=path.resolve().as_uri(), sha256=cache.sha256_once(path, cache_dir))


def setting_of(recipe: DiskRecipe) -> str:
    """What messages call the place where the disk image was named."""
    return "IMAGE" if is_disk_file(recipe.name) else f"{recipe.name}: url"


def ensure_prepared(
    recipe: DiskRecipe,
    path: Path,
    *,
    images_dir: Path,
    cache_dir: Path,
    make_machine: Callable[[Disks], Machine],
    clock: Clock,
    progress: Progress,
) -> BuiltImage:
    """The disk image at `path`, the recipe's, as a guest of this harness: one that was prepared before, or a new one.

    Raises ConfigError for a file that is no disk image, ImageError if it cannot be prepared, InfraError, NoSpace,
    ToolMissing, and what `make_machine` raises; a failed preparation leaves nothing behind but its console's log.
    """
    disk = inspect(path, setting_of(recipe))
    files = guestfiles.collect_for_disk(images_dir)
    script = (images_dir / "own-disk" / "prepare").read_bytes()
    seed = user_data(files, script, network=recipe.network)
    key = hashlib.sha256(f"{PREPARATION_FORMAT} {recipe.sha256} {seed}".encode()).hexdigest()

    def make(folder: Path) -> None:
        _check_space(disk, folder.parent)
        _prepare(recipe, disk, folder, seed=seed, key=key, make_machine=make_machine, progress=progress)

    return ensure_entry(
        recipe,
        key,
        make,
        images=cache_dir / "images" / "own-disks",
        name=disk_name(recipe.name),
        again="preparing it again",
        progress=progress,
        clock=clock,
    )


def _prepare(
    recipe: DiskRecipe,
    disk: DiskFile,
    making: Path,
    *,
    seed: str,
    key: str,
    make_machine: Callable[[Disks], Machine],
    progress: Progress,
) -> None:
    log = making / "build.log"
    progress(f"{recipe.name}: copying {disk.path}")
    root = making / cache.PREPARED_DISK
    run(["qemu-img", "convert", "-f", disk.format, "-O", "qcow2", str(disk.path), str(root)], log=log)
    disks = Disks(
        root=root,
        seed=write_seed(seed, making, log),
        handover=making / "handover.raw",
        firmware=firmware_of(_first_sector(root, making), disk.path, setting_of(recipe)),
        network=recipe.network,
    )
    with disks.handover.open("wb") as file:
        file.truncate(MAX_HANDED_BYTES)
    progress(f"{recipe.name}: booting it once under {disks.firmware}, to be prepared by its cloud-init")
    prepared = _boot(recipe.name, disks, making, make_machine, progress)
    take_kernel(disks.handover, prepared, making, recipe.name)
    for path in (disks.seed, disks.handover):
        path.unlink()
    if prepared.stands_aside is not None:
        progress(f"{recipe.name}: kexec-load would reboot it through firmware: {prepared.stands_aside}")
    cache.write_manifest(making, recipe.name, key, cmdline=prepared.cmdline, original=recipe.sha256)
    progress(f"{recipe.name}: prepared ({prepared.system})")


def _boot(
    name: str, disks: Disks, making: Path, make_machine: Callable[[Disks], Machine], progress: Progress
) -> Prepared:
    machine = make_machine(disks)
    console = making.parent / f"{disk_name(name)}.console.log"
    try:
        machine.power_on()
        with console.open("w", encoding="utf-8") as log:
            prepared = watch_preparation(machine, name, progress, record=log.write)
    except ImageError as error:
        raise ImageError(f"{error}\n  all of the console: {console}") from error
    finally:
        machine.close()
    console.unlink()
    return prepared


def take_kernel(handover: Path, prepared: Prepared, making: Path, name: str) -> None:
    """Put kernel and initrd, as the guest handed them over, beside its disk. Raises ImageError."""
    with handover.open("rb") as file:
        (making / cache.KERNEL).write_bytes(file.read(prepared.kernel_bytes))
        (making / cache.INITRD).write_bytes(file.read(prepared.initrd_bytes))
    try:
        release = release_of(making / cache.KERNEL)
    except ConfigError as error:
        raise ImageError(f"{name} cannot be prepared: what it handed over is no kernel of x86") from error
    (making / "releases").write_text(f"{printable(release)}\n", "ascii", "replace")


def firmware_of(start: bytes, path: Path, key: str) -> Firmware:
    """What starts a disk that begins so: SeaBIOS where there is a boot loader for it, else OVMF. Raises ConfigError."""
    if not may_boot(start):
        raise ConfigError(f"{path} is no disk that boots: it begins with no boot record", key=key)
    return Firmware.SEABIOS if any(start[:MBR_CODE]) else Firmware.OVMF


def _first_sector(disk: Path, making: Path) -> bytes:
    start = making / "start"
    command = [str(find_tool("qemu-img")), "dd", "-f", "qcow2", "-O", "raw", "bs=512", "count=1"]
    done = subprocess.run(
        [*command, f"if={disk}", f"of={start}"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode:
        raise ImageError(f"qemu-img dd failed: {done.stderr.strip()[-400:]}")
    content = start.read_bytes()
    start.unlink()
    return content


def _check_space(disk: DiskFile, folder: Path) -> None:
    needed = disk.path.stat().st_blocks * 512 // MIB + MORE_MIB
    available = shutil.disk_usage(folder).free // MIB
    if available < needed:
        raise NoSpace(
            f"{folder}: preparing {disk.path.name} needs {needed} MiB, and {available} MiB are available",
            mend="make room, or put the cache elsewhere: KEXEC_CACHE_DIR=/another/folder",
        )
