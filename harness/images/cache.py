"""Finished images on disk: found by the hash of what they are made from, checked before they are used.

    CACHE/images/NAME-KEY/   disk.raw  vmlinuz  initrd.img  image.json  build.log  verified.json
                             (disk.qcow2 of a disk of the user's own, harness.images.own_disk)
                             vmlinuz-RELEASE  initrd.img-RELEASE  of kernels beside the one that is booted by itself
    CACHE/images/NAME.lock   held while one is built or checked
    CACHE/images/.build-NAME-*   being built; without the lock's holder it is a leftover

A folder appears under its final name in one rename, when everything in it is on disk.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from harness.errors import ImageError, NoSpace
from harness.images.guestfiles import GuestFile, digest
from harness.images.recipe import AnyRecipe, Recipe

#: Raise it when the builder makes something else of the same recipe.
BUILDER_FORMAT = 4
DISK, KERNEL, INITRD = "disk.raw", "vmlinuz", "initrd.img"
#: the disk of an image that was prepared from one of the user's
PREPARED_DISK = "disk.qcow2"
MANIFEST, STAMP = "image.json", "verified.json"
KEY_DIGITS = 16
MIB = 1 << 20
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class BuiltImage(Struct, frozen=True, kw_only=True):
    """A finished image. Nobody may write to `disk`: VMs run on overlays."""

    name: str
    recipe: AnyRecipe
    #: read-only; qcow2 or raw, by its suffix
    disk: Path
    #: of the disk, hex; of one that was prepared, that of the user's original
    sha256: str
    #: the kernel and initrd that are on the disk, beside it
    kernel: Path
    initrd: Path
    #: as `uname -r` gives it
    kernel_release: str
    #: releases of all kernels in the image, that one first
    kernels: tuple[str, ...]
    #: the kernel's command line, as GRUB gives it
    cmdline: str
    arch: str
    #: hash of what the image is made from
    key: str

    def boot_files(self, release: str) -> tuple[Path, Path]:
        """Kernel and initrd of one of `kernels`, beside the disk."""
        if release == self.kernel_release:
            return self.kernel, self.initrd
        return self.kernel.with_name(f"{KERNEL}-{release}"), self.initrd.with_name(f"{INITRD}-{release}")

    @property
    def disk_format(self) -> str:
        """As QEMU calls it."""
        return self.disk.suffix.removeprefix(".")

    @property
    def root_bytes(self) -> int | None:
        """Size of the root file system; None where only the image's maker knows where it lies."""
        return self.recipe.disk_mib * MIB if isinstance(self.recipe, Recipe) else None


class Manifest(Struct, frozen=True, kw_only=True):
    """image.json: what a finished folder holds."""

    name: str
    key: str
    kernel_release: str
    #: releases of the kernels beside that one
    other_kernels: tuple[str, ...] = ()
    #: file name -> SHA-256, hex
    sha256: dict[str, str]
    #: the kernel's command line, and the SHA-256 of the user's disk, where no recipe says them
    cmdline: str | None = None
    original: str | None = None


class FileState(Struct, frozen=True):
    """What changes when somebody writes to a file."""

    size: int
    inode: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, path: Path) -> FileState:
        status = path.stat()
        return cls(status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)


class Checksum(Struct, frozen=True):
    """A file's SHA-256, and the state in which it had that."""

    state: FileState
    sha256: str


class Stamp(Struct, frozen=True):
    """verified.json: the files as they were when their checksums were last found right."""

    boot_id: str
    files: dict[str, FileState]


@contextlib.contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Make a folder of the cache; the file system's troubles become errors that name it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise NoSpace(f"{folder}: no space left") from error
        raise ImageError(
            f"{error.filename or folder}: {error.strerror}", mend="use another folder: KEXEC_CACHE_DIR=/another/folder"
        ) from error


def image_key(recipe: Recipe, files: tuple[GuestFile, ...]) -> str:
    """Hash of everything an image is made from, but for the packages that the mirror happens to have."""
    content = msgspec.json.encode({"recipe": recipe, "files": digest(files), "format": BUILDER_FORMAT}, order="sorted")
    return hashlib.sha256(content).hexdigest()


def entry_folder(images: Path, name: str, key: str) -> Path:
    """Where the image called `name` with `key` is, or will be."""
    return images / f"{name}-{key[:KEY_DIGITS]}"


def write_manifest(
    folder: Path, name: str, key: str, *, cmdline: str | None = None, original: str | None = None
) -> None:
    """Describe the finished files in `folder`, take the right to write from them, and put all on disk."""
    disk = DISK if (folder / DISK).exists() else PREPARED_DISK
    release, *others = (folder / "releases").read_text("ascii").split()
    files = [disk, KERNEL, INITRD, *(f"{file}-{other}" for other in others for file in (KERNEL, INITRD))]
    manifest = Manifest(
        name=name,
        key=key,
        kernel_release=release,
        other_kernels=tuple(others),
        sha256={file: sha256_of(folder / file) for file in files},
        cmdline=cmdline,
        original=original,
    )
    (folder / "releases").unlink()
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    for path in folder.iterdir():
        path.chmod(0o444)
        _sync(path)
    _write_stamp(folder, manifest)
    _sync(folder)


def open_entry(folder: Path, recipe: AnyRecipe, key: str) -> BuiltImage:
    """The finished image in `folder`, its files checked against their checksums.

    The full hash (1-3 s) is taken once per boot of the host and whenever a file's inode, size, mtime or ctime
    has changed; in between, only those are compared. Bytes that rot on the disk without any write are therefore
    noticed after the next boot, not at once.

    Raises ImageError if something is missing or not what its checksum says.
    """
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        if manifest.key != key:
            raise ImageError(f"{folder} is an image of something else")
        if not _stamp_holds(folder, manifest):
            _verify(folder, manifest)
        # Marks the image as used, for `prune`.
        os.utime(folder)
    except (OSError, msgspec.DecodeError) as error:
        raise ImageError(f"{folder} is damaged: {error}") from error
    disk = DISK if DISK in manifest.sha256 else PREPARED_DISK
    return BuiltImage(
        name=recipe.name,
        recipe=recipe,
        disk=folder / disk,
        sha256=manifest.original or manifest.sha256[disk],
        kernel=folder / KERNEL,
        initrd=folder / INITRD,
        kernel_release=manifest.kernel_release,
        kernels=(manifest.kernel_release, *manifest.other_kernels),
        cmdline=recipe.command_line if isinstance(recipe, Recipe) else manifest.cmdline or "",
        arch=recipe.arch,
        key=key,
    )


def _verify(folder: Path, manifest: Manifest) -> None:
    for name, checksum in manifest.sha256.items():
        if sha256_of(folder / name) != checksum:
            raise ImageError(f"{folder / name} is not what it was when it was built (checksum differs)")
    _write_stamp(folder, manifest)


def _states(folder: Path, manifest: Manifest) -> dict[str, FileState]:
    return {name: FileState.of(folder / name) for name in manifest.sha256}


def _write_stamp(folder: Path, manifest: Manifest) -> None:
    fresh = folder / f".{STAMP}.{os.getpid()}"
    fresh.write_bytes(msgspec.json.encode(Stamp(_boot_id(), _states(folder, manifest))))
    fresh.replace(folder / STAMP)


def _stamp_holds(folder: Path, manifest: Manifest) -> bool:
    try:
        stamp = msgspec.json.decode((folder / STAMP).read_bytes(), type=Stamp)
    except (OSError, msgspec.DecodeError):
        return False
    return stamp.boot_id == _boot_id() and stamp.files == _states(folder, manifest)


def _boot_id() -> str:
    try:
        return BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_once(path: Path, cache_dir: Path) -> str:
    """The same, of a large file of the user's: read again only when somebody has written to it since."""
    state = FileState.of(path)
    known = cache_dir / "checksums" / hashlib.sha256(str(path.resolve()).encode()).hexdigest()
    with contextlib.suppress(OSError, msgspec.DecodeError):
        checksum = msgspec.json.decode(known.read_bytes(), type=Checksum)
        if checksum.state == state:
            return checksum.sha256
    found = sha256_of(path)
    with writable(known.parent):
        fresh = known.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(msgspec.json.encode(Checksum(state, found)))
        fresh.replace(known)
    return found


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def prune(images: Path, keep: Path, name: str, unused_s: float, now: float) -> None:
    """Remove other images of this name that nobody has used for so many seconds before `now` (since 1970)."""
    for path in images.glob(f"{name}-{'[0-9a-f]' * KEY_DIGITS}"):
        if path != keep and path.stat().st_mtime < now - unused_s:
            discard(path)


def discard(folder: Path) -> None:
    """Remove a folder, never reaching into anything that is mounted below it.

    Raises ImageError if something is mounted there.
    """
    if not folder.exists():
        return
    inside = f"{folder.resolve()}/"
    for line in Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines():
        # Field 5 is the mount point, with octal escapes (proc_pid_mountinfo(5)).
        point = re.sub(r"\\([0-7]{3})", lambda escape: chr(int(escape[1], 8)), line.split()[4])
        if f"{point}/".startswith(inside):
            raise ImageError(
                f"{point} is still mounted, and below a folder that is to be removed", mend=f"umount {point}"
            )
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(path.stat().st_mode | stat.S_IRWXU)
    shutil.rmtree(folder)
