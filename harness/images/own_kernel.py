"""A kernel of the user's own in an image: KERNEL=bzImage, with MODULES=folder and INITRD=file.

The image itself stays as it is. A copy of its disk gets the files, through debugfs, and its own place in the cache:

    CACHE/images/own/NAME-KEY/   as a folder of CACHE/images (harness.images.cache)

A bisection makes one of them at each step: those that nobody has used for an hour make room.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct

from harness.clock import Clock
from harness.errors import ConfigError, ImageError
from harness.images import cache
from harness.images.cache import BuiltImage
from harness.images.disk import MIB, ROOT_START_MIB
from harness.images.early_modules import archive
from harness.images.entry import ensure_entry
from harness.images.run import capture

UNUSED_S = 3600
#: the magic number of an x86 kernel image, where it is, and where the offset of its version text is
#: (Linux Documentation/arch/x86/boot.rst)
MAGIC, MAGIC_AT, VERSION_AT = b"HdrS", 0x202, 0x20E
#: debugfs's name, and what it says of files and folders that are not there
USUAL = re.compile(r"^debugfs \d|^(rm|stat|/.*): File not found")
ROOM = re.compile(r"[Nn]o space|Could not allocate|No free")
#: links that lead out of a folder of modules into the source that they were built from
LINKS_TO_SOURCE = {"build", "source"}


class OwnKernel(Struct, frozen=True, kw_only=True):
    """What the user has built. `modules` is what `make modules_install` filled, or the release's folder in it."""

    kernel: Path
    modules: Path | None = None
    initrd: Path | None = None


def release_of(kernel: Path) -> str:
    """The release of an x86 kernel image, as `uname -r` will give it. Raises ConfigError if it is none."""
    try:
        start = kernel.read_bytes()[: 1 << 16]
    except OSError as error:
        raise ConfigError(f"{kernel}: {error.strerror}", key="KERNEL") from error
    if start[MAGIC_AT : MAGIC_AT + 4] != MAGIC:
        mend = "give arch/x86/boot/bzImage of a build, or a vmlinuz"
        raise ConfigError(f"{kernel} is no kernel image of x86", key="KERNEL", mend=mend)
    at = struct.unpack_from("<H", start, VERSION_AT)[0] + 0x200
    words = start[at : at + 256].split(b"\0")[0].split()
    release = words[0].decode("ascii", "replace") if words else ""
    if not release or not release.isprintable() or "/" in release:
        raise ConfigError(f"{kernel} does not say its release", key="KERNEL")
    return release


def modules_of(folder: Path, release: str) -> Path:
    """The folder with this release's modules. Raises ConfigError if it is not there."""
    for place in (folder / "lib" / "modules" / release, folder / release, folder):
        if place.name == release and (place / "modules.dep").is_file():
            return place
    mend = f"make modules_install INSTALL_MOD_PATH={folder}; where depmod was not run: depmod -b {folder} {release}"
    raise ConfigError(f"{folder} has no lib/modules/{release}/modules.dep", key="MODULES", mend=mend)


def with_own_kernel(
    image: BuiltImage, own: OwnKernel, *, cache_dir: Path, clock: Clock, progress: Callable[[str], None]
) -> BuiltImage:
    """The image with this kernel in it, which every boot starts.

    Without an initrd of the user's, one is made of micro's; another image's is made for that image's kernel.
    Raises ConfigError for files that do not fit, ImageError or ToolMissing.
    """
    release = release_of(own.kernel)
    modules = modules_of(own.modules, release) if own.modules is not None else None
    if own.initrd is None and image.recipe.init != "busybox":
        mend = "give the one that belongs to it: INITRD=file; or take IMAGE=micro, which makes one"
        raise ConfigError(f"the initramfs of {image.name} is made for its own kernel", key="KERNEL", mend=mend)
    key = _key(image, own, modules)

    def make(making: Path) -> None:
        progress(f"{image.name}: putting {release} into a copy of its disk")
        _make(image, own, release, modules, making)
        cache.write_manifest(making, image.name, key)

    return ensure_entry(
        image.recipe,
        key,
        make,
        images=cache_dir / "images" / "own",
        name=image.name,
        again="putting it together again",
        progress=progress,
        clock=clock,
        unused_s=UNUSED_S,
    )


def _key(image: BuiltImage, own: OwnKernel, modules: Path | None) -> str:
    hasher = hashlib.sha256(image.sha256.encode())
    for path in (own.kernel, own.initrd):
        hasher.update(cache.sha256_of(path).encode() if path is not None else b"none")
    if modules is not None:
        for path in _files(modules):
            hasher.update(f"{path.relative_to(modules)}\0{cache.sha256_of(path)}\0".encode())
    return hasher.hexdigest()


def _files(modules: Path) -> Iterator[Path]:
    """The files below, in order; nothing of the source."""
    for path in sorted(modules.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.relative_to(modules).parts[0] not in LINKS_TO_SOURCE:
            yield path


def _make(image: BuiltImage, own: OwnKernel, release: str, modules: Path | None, making: Path) -> None:
    shutil.copyfile(own.kernel, making / cache.KERNEL)
    if own.initrd is not None:
        shutil.copyfile(own.initrd, making / cache.INITRD)
    else:
        # The kernel unpacks archives that follow one another, each over the ones before.
        more = archive(modules, release) if modules is not None else b""
        (making / cache.INITRD).write_bytes(image.initrd.read_bytes() + more)
    capture(["cp", "--sparse=always", "--reflink=auto", str(image.disk), str(making / cache.DISK)])
    (making / cache.DISK).chmod(0o644)
    _debugfs(making, [*_boot_files(making, release)], image, write=True)
    if modules is not None:
        files = [path.relative_to(modules) for path in _files(modules)]
        folders = sorted({folder for file in files for folder in file.parents})
        top = Path(image.recipe.modules_folder) / release
        there = _folders_there(making, [top / folder for folder in folders], image)
        commands = [f'mkdir "{path}"' for folder in folders if (path := top / folder) not in there]
        _debugfs(making, [*commands, *_module_files(files, top)], image, write=True, cwd=modules)
    (making / "releases").write_text(f"{release}\n", "ascii")


# debugfs's `write` writes into the folder where it is, and `rm` and `symlink` take what stands directly below / for a
# name in it. Its `mkdir` of a folder that is there loses an inode. What is there under a file's name goes first.


def _boot_files(making: Path, release: str) -> Iterator[str]:
    for name, file in (("vmlinuz", cache.KERNEL), ("initrd.img", cache.INITRD)):
        yield from ("cd /boot", f'rm "{name}-{release}"', f'write "{making / file}" "{name}-{release}"')
        yield from ("cd /", f"rm {name}", f'symlink {name} "boot/{name}-{release}"')


def _module_files(files: list[Path], top: Path) -> Iterator[str]:
    folder = None
    for file in files:
        if file.parent != folder:
            folder = file.parent
            yield f'cd "{top / folder}"'
        yield from (f'rm "{file.name}"', f'write "{file}" "{file.name}"')


def _folders_there(making: Path, folders: list[Path], image: BuiltImage) -> set[Path]:
    """Those that the disk has: of a release that is one of the image's own, too."""
    said = _debugfs(making, [f'stat "{folder}"' for folder in folders], image)
    answers = re.findall(r'^debugfs: stat "(.*)"\n(Inode: .*Type: directory)?', said, re.MULTILINE)
    return {Path(folder) for folder, found in answers if found}


def _debugfs(
    making: Path, commands: list[str], image: BuiltImage, *, write: bool = False, cwd: Path | None = None
) -> str:
    """What debugfs says on its way through the commands, on the disk in `making`. Raises ImageError for a complaint."""
    script = making / "debugfs.commands"
    script.write_text("".join(f"{line}\n" for line in commands), "utf-8")
    disk = f"{making / cache.DISK}?offset={ROOT_START_MIB * MIB}"
    said, complaints = capture(["debugfs", *(["-w"] if write else []), "-f", str(script), disk], cwd=cwd)
    script.unlink()
    _check(complaints, image)
    return said


def _check(complaints: str, image: BuiltImage) -> None:
    """Look through debugfs's complaints, with which it goes on and ends with status 0."""
    for line in complaints.splitlines():
        if USUAL.search(line):
            continue
        if ROOM.search(line):
            mend = f"raise disk_mib in {image.name}.toml, or make modules_install INSTALL_MOD_STRIP=1"
            raise ImageError(f"the disk of {image.name} has no room for this kernel and its modules", mend=mend)
        raise ImageError(f"debugfs: {line}")
