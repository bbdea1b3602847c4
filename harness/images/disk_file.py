"""A disk image that the user has, IMAGE=file: what it is by its own header, without anything being opened on its word.

An image is untrusted input. A qcow2 file may name another file to read what it lacks from, and whoever made it chooses
which; so one that names any is refused, and QEMU's tools are always told the format instead of guessing it.
"""

from __future__ import annotations

import struct
from pathlib import Path

from msgspec import Struct

from harness.errors import ConfigError
from harness.model import DISK_SUFFIXES

#: qcow2's header (QEMU docs/interop/qcow2.rst): magic, version, backing file's offset and size, cluster bits, size in
#: bytes, encryption; the incompatible features follow at 72, from version 3 on
QCOW2, QCOW2_MAGIC, FEATURES_AT = struct.Struct(">4sIQIIQI"), b"QFI\xfb", 72
CORRUPT, EXTERNAL_DATA = 1 << 1, 1 << 2
#: the last two bytes of a master boot record, and where they are (UEFI specification 2.10, table 5.1)
SIGNATURE, SIGNATURE_AT = b"\x55\xaa", 510
SECTOR = 512
MAX_VIRTUAL_BYTES = 2 << 40
#: how files begin that are no disk image yet: their kind, and what makes one of them
OTHERS = {
    b"\xfd7zXZ": ("compressed by xz", "unxz"),
    b"\x1f\x8b": ("compressed by gzip", "gunzip"),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", "unzstd"),
    b"BZh": ("compressed by bzip2", "bunzip2"),
    b"KDMV": ("of VMware's format", "qemu-img convert -f vmdk -O qcow2"),
    b"vhdxfile": ("of Hyper-V's format", "qemu-img convert -f vhdx -O qcow2"),
    b"conectix": ("of Virtual PC's format", "qemu-img convert -f vpc -O qcow2"),
}


class DiskFile(Struct, frozen=True, kw_only=True):
    """A disk image that may be used."""

    path: Path
    #: as QEMU calls it: qcow2, raw
    format: str
    #: size of the disk, in bytes
    virtual_bytes: int


def inspect(path: Path, key: str) -> DiskFile:
    """What the file is, by its header.

    Raises ConfigError, about `key`, if it is no disk image, or one that depends on another file.
    """
    try:
        if path.is_dir():
            raise ConfigError(f"{path} is a folder, and no disk image", key=key)
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path} is no regular file", key=key, mend="copy it into one: qemu-img convert")
        with path.open("rb") as file:
            start, size = file.read(2 * SECTOR), path.stat().st_size
    except OSError as error:
        mend = f"a disk image is a file that ends with {', '.join(DISK_SUFFIXES)}"
        raise ConfigError(f"{path}: {error.strerror}", key=key, mend=mend) from error
    is_qcow2 = start.startswith(QCOW2_MAGIC)
    if is_qcow2 and path.suffix == ".raw":
        mend = "rename it: what is in a raw image decides nothing about how it is read"
        raise ConfigError(f"{path} is called raw, and begins as a qcow2 image does", key=key, mend=mend)
    virtual = _of_qcow2(path, start, key) if is_qcow2 else _of_raw(path, start, size, key)
    if virtual > MAX_VIRTUAL_BYTES:
        raise ConfigError(f"{path} says that it is a disk of {virtual >> 40} TiB", key=key)
    return DiskFile(path=path, format="qcow2" if is_qcow2 else "raw", virtual_bytes=virtual)


def _of_qcow2(path: Path, start: bytes, key: str) -> int:
    """The size of the disk."""
    if len(start) < FEATURES_AT + 8:
        raise ConfigError(f"{path} is a qcow2 image that was cut off", key=key)
    _, version, backing, _, _, size, encryption = QCOW2.unpack_from(start)
    [features] = struct.unpack_from(">Q", start, FEATURES_AT) if version > 2 else [0]
    if version not in {2, 3}:
        raise ConfigError(f"{path} is a qcow2 image of version {version}, which is not known here", key=key)
    if backing or features & EXTERNAL_DATA:
        what = "has a backing file" if backing else "keeps its data in another file"
        mend = f"where it may be trusted, make one image of them: qemu-img convert -O qcow2 {path.name} whole.qcow2"
        raise ConfigError(f"{path} {what}, and only images that stand alone are used", key=key, mend=mend)
    if encryption:
        raise ConfigError(f"{path} is encrypted", key=key)
    if features & CORRUPT:
        raise ConfigError(f"{path} is marked as corrupt", key=key, mend=f"qemu-img check -r all {path.name}")
    return int(size)


def _of_raw(path: Path, start: bytes, size: int, key: str) -> int:
    for magic, (kind, program) in OTHERS.items():
        if start.startswith(magic):
            raise ConfigError(f"{path} is {kind}, and no disk image yet", key=key, mend=f"{program} {path.name}")
    if path.suffix == ".qcow2":
        raise ConfigError(f"{path} is no qcow2 image, by how it begins", key=key)
    if not may_boot(start):
        raise ConfigError(f"{path} is no disk image: it begins with no boot record", key=key)
    return size


def may_boot(start: bytes) -> bool:
    """Whether a disk that begins so has a boot record, as disks with a partition table of either kind have."""
    return start[SIGNATURE_AT : SIGNATURE_AT + len(SIGNATURE)] == SIGNATURE
