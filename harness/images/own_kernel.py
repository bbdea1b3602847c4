"""A kernel of the user's own in an image: KERNEL=bzImage, with MODULES=folder and INITRD=file.

The image itself stays as it is. A copy of its disk gets the files, through debugfs, and its own place in the cache:

    CACHE/images/own/NAME-KEY/   as a folder of CACHE/images (harness.images.cache)

A bisection makes one of them at each step: those that nobody has used for an hour make room.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
from msgspec import Struct

from harness.clock import Clock
from harness.errors import ConfigError, ImageError
from harness.host.tools import find_tool
from harness.images import cache
from harness.images.cache import BuiltImage
from harness.images.disk import MIB, ROOT_START_MIB
from harness.images.early_modules import archive

UNUSED_S = 3600
TIMEOUT_S = 300
#: the magic number of an x86 kernel image, where it is, and where the offset of its version text is
#: (Linux Documentation/arch/x86/boot.rst)
MAGIC, MAGIC_AT, VERSION_AT = b"HdrS", 0x202, 0x20E
#: what debugfs says of files that are not there to be removed, and of folders that are there already
USUAL = re.compile(r"^rm: File not found|^(ext2fs_)?mkdir: .*already exists|^Allocated inode: \d+$|^$")
ROOM = re.compile(r"[Nn]o space|Could not allocate|No free")
#: where an image keeps modules; /lib is a link in most
MODULES = Path("/usr/lib/modules")
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
    folder = cache.entry_folder(cache_dir / "images" / "own", image.name, key)
    with cache.writable(folder.parent), filelock.FileLock(folder.parent / f"{image.name}.lock"):
        if not folder.exists():
            progress(f"{image.name}: putting {release} into a copy of its disk")
            with _building(folder) as making:
                _make(image, own, release, modules, making)
                cache.write_manifest(making, image.name, key)
            cache.prune(folder.parent, folder, image.name, UNUSED_S, clock.wall().timestamp())
        return cache.open_entry(folder, image.recipe, key)


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


@contextlib.contextmanager
def _building(folder: Path) -> Iterator[Path]:
    """A folder beside `folder`, which becomes it when all went well."""
    making = Path(tempfile.mkdtemp(prefix=".build-", dir=folder.parent))
    try:
        making.chmod(0o755)
        yield making
        making.rename(folder)
    finally:
        cache.discard(making)


def _make(image: BuiltImage, own: OwnKernel, release: str, modules: Path | None, making: Path) -> None:
    shutil.copyfile(own.kernel, making / cache.KERNEL)
    if own.initrd is not None:
        shutil.copyfile(own.initrd, making / cache.INITRD)
    else:
        # The kernel unpacks archives that follow one another, each over the ones before.
        more = archive(modules, release) if modules is not None else b""
        (making / cache.INITRD).write_bytes(image.initrd.read_bytes() + more)
    _tool(["cp", "--sparse=always", "--reflink=auto", str(image.disk), str(making / cache.DISK)])
    (making / cache.DISK).chmod(0o644)
    commands = making / "debugfs.commands"
    commands.write_text("".join(f"{line}\n" for line in _commands(release, making, modules)), "utf-8")
    disk = f"{making / cache.DISK}?offset={ROOT_START_MIB * MIB}"
    _check(_tool(["debugfs", "-w", "-f", str(commands), disk], cwd=modules), image)
    commands.unlink()
    (making / "releases").write_text(f"{release}\n", "ascii")


def _commands(release: str, making: Path, modules: Path | None) -> Iterator[str]:
    """debugfs's script. What is there under the same name goes first.

    `write` writes into the folder where it is, and so do `rm` and `symlink` with what stands directly below /.
    """
    for name, file in (("vmlinuz", cache.KERNEL), ("initrd.img", cache.INITRD)):
        yield from ("cd /boot", f'rm "{name}-{release}"', f'write "{making / file}" "{name}-{release}"')
        yield from ("cd /", f"rm {name}", f'symlink {name} "boot/{name}-{release}"')
    if modules is None:
        return
    folder = None
    for path in _files(modules):
        inside = path.relative_to(modules)
        if inside.parent != folder:
            # A release that the image has, too, keeps its folders.
            folder = inside.parent
            for above in (*reversed(folder.parents), folder):
                yield f'mkdir "{MODULES / release / above}"'
            yield f'cd "{MODULES / release / folder}"'
        yield from (f'rm "{path.name}"', f'write "{inside}" "{path.name}"')


def _check(said: str, image: BuiltImage) -> None:
    """Look through debugfs's complaints, with which it goes on and ends with status 0."""
    for line in said.splitlines():
        if line.startswith("debugfs") or USUAL.search(line):
            continue
        if ROOM.search(line):
            mend = f"raise disk_mib in {image.name}.toml, or make modules_install INSTALL_MOD_STRIP=1"
            raise ImageError(f"the disk of {image.name} has no room for this kernel and its modules", mend=mend)
        raise ImageError(f"debugfs: {line}")


def _tool(command: list[str], *, cwd: Path | None = None) -> str:
    argv = [str(find_tool(command[0])), *command[1:]]
    done = subprocess.run(
        argv, cwd=cwd, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=False
    )
    if done.returncode:
        raise ImageError(f"{command[0]} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout + done.stderr
