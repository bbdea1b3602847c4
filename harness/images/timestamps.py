"""Gives every inode of an ext4 file system the same times of access and of change, so that builds can be compared.

mke2fs copies both from the files it is given, and no program can set a file's ctime.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from harness.errors import ImageError
from harness.images.run import capture

#: the root folder's inode, and the first that is not reserved (Linux Documentation/filesystems/ext4/special_inodes.rst)
ROOT_INODE, FIRST_INODE = 2, 11
FIELDS = ("atime", "ctime")


def settle_times(file_system: str, when: int, commands: Path, env: dict[str, str]) -> None:
    """Set atime and ctime of every inode of `file_system` (e2fsprogs' `FILE?offset=BYTES`) to `when`, seconds.

    `commands` is where debugfs's script is written. Raises ImageError or ToolMissing.
    """
    listing, _ = capture(["dumpe2fs", file_system], env=env)
    lines = (f"set_inode_field <{inode}> {field} @{when}\n" for inode in used_inodes(listing) for field in FIELDS)
    commands.write_text("".join(lines), "ascii")
    capture(["debugfs", "-w", "-f", str(commands), file_system], env=env)
    commands.unlink()


def used_inodes(listing: str) -> Iterator[int]:
    """Numbers of the inodes that are in use, from what dumpe2fs prints."""
    count = re.search(r"^Inode count:\s+(\d+)$", listing, re.MULTILINE)
    if count is None:
        raise ImageError("dumpe2fs does not say how many inodes there are")
    free: set[int] = set()
    for ranges in re.findall(r"^  Free inodes: (.*)$", listing, re.MULTILINE):
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", ranges):
            free.update(range(int(first), int(last or first) + 1))
    yield ROOT_INODE
    yield from (inode for inode in range(FIRST_INODE, int(count[1]) + 1) if inode not in free)
