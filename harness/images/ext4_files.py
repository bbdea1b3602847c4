"""The files of an ext4 file system that lies in a file, with owners and modes: read by debugfs, not mounted.

debugfs copies contents, but sets no bit of a mode beyond rwx (the set-user-ID bit, the sticky bit), and no owner
without being root: those come from its listings. Extended attributes are left out.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from harness.errors import ImageError
from harness.images.run import capture

#: where ext4's magic number is, and what it is (Linux Documentation/filesystems/ext4/super.rst)
MAGIC_AT, MAGIC = 1024 + 0x38, b"\x53\xef"
#: debugfs's name and version, which it says before everything
USUAL = re.compile(r"debugfs \d")
#: one line of `ls -p`: inode (0: an entry that is free), type and mode in octal, uid, gid, name, size
LISTED = re.compile(r"/[1-9]\d*/(\d{6})/(\d+)/(\d+)/(.*)/\d*/")
ASKED = re.compile(r'debugfs: ls -p "(.*)"')


class Ext4File(Struct, frozen=True):
    """A file, folder or symbolic link; `path` is relative to the root of the file system."""

    path: str
    #: type and mode, as in st_mode
    mode: int
    uid: int
    gid: int
    #: seconds since 1970; of a link, when it was read
    mtime: int
    #: where the content is (a file), or a link of the same target
    copy: Path


def read_files(file_system: Path, folder: Path) -> list[Ext4File]:
    """Copy everything in `file_system` into `folder`, and say what it is; in order of paths.

    Raises ImageError if it is no ext4, or holds something else than files, folders and links; ToolMissing.
    """
    with file_system.open("rb") as file:
        file.seek(MAGIC_AT)
        if file.read(len(MAGIC)) != MAGIC:
            raise ImageError(f"{file_system.name} is no ext4 file system")
    folder.mkdir()
    pretend = [] if os.geteuid() == 0 else ["fakeroot", "--"]
    _quietly([*pretend, "debugfs", "-R", f'rdump / "{folder}"', str(file_system)])
    folders = ["/", *sorted(f"/{path.relative_to(folder)}" for path in folder.rglob("*") if _is_folder(path))]
    script = folder.with_name("debugfs.commands")
    script.write_text("".join(f'ls -p "{name}"\n' for name in folders), "utf-8")
    listing = _quietly(["debugfs", "-f", str(script), str(file_system)])
    script.unlink()
    return sorted(_listed(listing, folder), key=lambda file: file.path)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _quietly(command: list[str]) -> str:
    """What debugfs prints. It ends with status 0 whatever it complains of."""
    said, complaints = capture(command)
    for line in complaints.splitlines():
        if not USUAL.match(line):
            raise ImageError(f"debugfs: {line}")
    return said


def _listed(listing: str, folder: Path) -> Iterator[Ext4File]:
    at = ""
    for line in listing.splitlines():
        if asked := ASKED.fullmatch(line):
            at = asked[1].strip("/")
        elif (found := LISTED.fullmatch(line)) and found[4] not in {".", ".."}:
            path = f"{at}/{found[4]}".lstrip("/")
            mode, copy = int(found[1], 8), folder / path
            if stat.S_IFMT(mode) not in {stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}:
                raise ImageError(f"/{path} is neither a file nor a folder nor a link (mode {mode:o})")
            yield Ext4File(path, mode, int(found[2]), int(found[3]), int(copy.lstat().st_mtime), copy)
