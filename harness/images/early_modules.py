"""Modules for an initramfs: an archive (cpio, newc) with the drivers that a root disk needs, and what they need.

The names are those of images/init/busybox/usr/lib/kexec-harness/make-initrd.
"""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

#: what virtio's disks hang on, kinds of disk that QEMU has, the file system, and what checks its checksums
WANTED = (
    *("virtio_pci", "virtio_mmio"),
    *("virtio_blk", "virtio_scsi", "sd_mod", "ahci", "ata_piix", "nvme"),
    *("ext4", "crc32c_generic"),
)
#: what modprobe of busybox reads
INDEXES = ("modules.dep", "modules.alias", "modules.softdep")
UNPACK = {".xz": lzma.decompress, ".gz": gzip.decompress}
FILE, FOLDER = 0o100644, 0o040755
END = "TRAILER!!!"


def archive(tree: Path, release: str) -> bytes:
    """The archive of `tree`, a folder that depmod has been at. Drivers that the kernel has built in are not in it."""
    top = f"lib/modules/{release}"
    wanted = {name: (tree / name).read_bytes() for name in needed((tree / "modules.dep").read_text("utf-8"))}
    content = {f"{top}/{_plain(name)}": UNPACK.get(Path(name).suffix, bytes)(data) for name, data in wanted.items()}
    for index in INDEXES:
        if (tree / index).is_file():
            text = (tree / index).read_bytes()
            for suffix in UNPACK:
                text = text.replace(f".ko{suffix}".encode(), b".ko")
            content[f"{top}/{index}"] = text
    return cpio(content)


def _plain(name: str) -> str:
    return name.removesuffix(Path(name).suffix) if Path(name).suffix in UNPACK else name


def needed(dependencies: str) -> list[str]:
    """Files of the wanted modules and of those that they depend on, from the text of modules.dep.

    >>> needed("kernel/ext4.ko: kernel/jbd2.ko\\nkernel/jbd2.ko:\\nkernel/dummy.ko:\\n")
    ['kernel/ext4.ko', 'kernel/jbd2.ko']
    """
    found: dict[str, None] = {}
    for line in dependencies.splitlines():
        file, _, others = line.partition(":")
        name = PurePosixPath(file).name.partition(".ko")[0].replace("-", "_")
        if name in WANTED:
            found.update(dict.fromkeys([file, *others.split()]))
    return sorted(found)


def cpio(files: dict[str, bytes]) -> bytes:
    """A cpio archive with these files and their folders, owned by root, padded to 512 bytes as other tools do.

    The format: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
    """
    folders = sorted({str(parent) for name in files for parent in PurePosixPath(name).parents} - {"."})
    entries = [(name, FOLDER, b"") for name in folders] + [(name, FILE, data) for name, data in sorted(files.items())]
    packed = b"".join(_records([*entries, (END, 0, b"")]))
    return packed + bytes(-len(packed) % 512)


def _records(entries: list[tuple[str, int, bytes]]) -> Iterator[bytes]:
    for number, (name, mode, data) in enumerate(entries, start=721):
        # inode, mode, uid, gid, links, mtime, size, device (4 fields), length of the name, checksum
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + "".join(f"{field:08x}" for field in fields).encode() + name.encode() + b"\0"
        yield head + bytes(-len(head) % 4)
        yield data + bytes(-len(data) % 4)
