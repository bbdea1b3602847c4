"""The guest's journal, read from its disk without its help: of the boot that failed, and of the one before.

The root file system is copied out of the overlay into a sparse file, whose own journal is replayed there (a guest that
did not unmount leaves metadata in it, without which new files would be missing); the overlay is only read. debugfs
takes the journal files out, so that nothing is mounted and no root is needed. What the guest had not yet written to its
disk is lost: of a panic, the last seconds.
"""

from __future__ import annotations

import json
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from harness.artefacts.case import MIB, Case, NotTaken
from harness.errors import MachineError
from harness.host.tools import which
from harness.images.disk import ROOT_START_MIB

NAME, BEFORE, FILES = "journal.txt", "journal-before.txt", "journal"
SUMMARY = "the guest's journal, from its disk"
DIRECTORY = "/var/log/journal"
#: of a boot's journal as text, the end is kept
MAX_LINES = 50_000
MAX_FILES_BYTES = 256 * MIB
SYNC_TIMEOUT_S = 20.0
#: e2fsck: 1 is "errors corrected", which a replay is (e2fsck(8))
REPLAYED = (0, 1)


def sync(case: Case) -> None:
    """Let a guest that is up write its journal to its disk; one that does not answer keeps it to itself."""
    if case.up and case.inspection is not None and case.inspection.monitor is not None:
        with suppress(MachineError):
            case.machine.run("journalctl --sync; sync", purpose="sync", timeout=SYNC_TIMEOUT_S)


def take(case: Case) -> list[str]:
    """Write journal/ and, where the host has journalctl, the last boots as text. Raises NotTaken."""
    overlay = case.inside().spec.root_disk
    with tempfile.TemporaryDirectory(prefix=".journal-", dir=overlay.parent) as scratch:
        root = Path(scratch) / "root.raw"
        _copy_root(case, overlay, root)
        files = list(_files(case, root))
        if not files:
            raise NotTaken("there is no journal on the disk: /var/log/journal has no file of one")
        size = sum(file.size for file in files)
        if size > MAX_FILES_BYTES:
            raise NotTaken(f"the journal on the disk has {size // MIB} MiB")
        case.need_room(size, "the journal")
        folder = case.folder / FILES
        folder.mkdir(exist_ok=True)
        for file in files:
            case.tool("debugfs", "-R", f"dump <{file.inode}> {file.name}", str(root), cwd=folder)
    return _as_text(case, folder)


class Entry(Struct, frozen=True):
    """One entry of a directory of the guest, whose name may be anything."""

    inode: int
    mode: int
    name: str
    size: int


def _files(case: Case, root: Path) -> Iterator[Entry]:
    """The journal's files: those of a system's own folder (its machine id), with names that journald gives."""
    for entry in _listing(case, root, DIRECTORY):
        if stat.S_ISDIR(entry.mode) and re.fullmatch(r"[0-9a-f]{1,32}", entry.name):
            for file in _listing(case, root, f"<{entry.inode}>"):
                if stat.S_ISREG(file.mode) and re.fullmatch(r"\w[\w@.~-]{0,200}\.journal~?", file.name, re.ASCII):
                    yield file


def _listing(case: Case, root: Path, directory: str) -> Iterator[Entry]:
    """debugfs's own `rdump` would do, but for a guest that writes `../` into its directories."""
    listed = case.tool("debugfs", "-R", f"ls -p {directory}", str(root))
    for inode, mode, name, size in re.findall(r"^/(\d+)/(\d+)/\d+/\d+/([^/\n]+)/(\d*)/$", listed, re.MULTILINE):
        yield Entry(int(inode), int(mode, 8), name, int(size or 0))


def _copy_root(case: Case, overlay: Path, root: Path) -> None:
    """The root file system as it is on the disk at this moment, its journal replayed."""
    node = {"driver": "qcow2", "file": {"driver": "file", "filename": str(overlay)}}
    inner = {"driver": "raw", "offset": ROOT_START_MIB * MIB, "size": _root_bytes(case), "file": node}
    source = f"json:{json.dumps(inner)}"
    # -U: a paused machine still holds the lock of its disk.
    case.tool("qemu-img", "convert", "-U", "-O", "raw", source, str(root))
    case.tool("e2fsck", "-y", "-E", "journal_only", str(root), ok=REPLAYED)


def _root_bytes(case: Case) -> int:
    if case.rerun is None or case.rerun.root_bytes is None:
        raise NotTaken("the layout of the disk is not known")
    return case.rerun.root_bytes


def _as_text(case: Case, folder: Path) -> list[str]:
    if which("journalctl") is None:
        return ["the host has no journalctl; any that is new enough reads it: journalctl --directory=journal"]
    listed = case.tool("journalctl", f"--directory={folder}", "--list-boots", "--output=json", "--no-pager")
    boots = list(boot_ids(listed))
    if not boots:
        return ["no boot is in it, or it is of a newer systemd than the host's"]
    remarks = []
    for name, boot in zip((NAME, BEFORE), reversed(boots), strict=False):
        text = case.tool(
            "journalctl",
            f"--directory={folder}",
            f"--boot={boot}",
            "--output=short-monotonic",
            "--no-hostname",
            f"--lines={MAX_LINES}",
            "--no-pager",
        )
        (case.folder / name).write_text(text, "utf-8", errors="replace")
        remarks.append(f"{name} is of boot {boot}{_which_boot(case, boot)}")
    return remarks


def boot_ids(listed: str) -> Iterator[str]:
    """Boot ids in what `journalctl --list-boots` prints, oldest first; 32 hex digits each.

    Both as JSON and as the table that versions before 253 print instead.
    """
    with suppress(ValueError):
        rows: Any = json.loads(listed)
        yield from (str(row["boot_id"]) for row in rows if isinstance(row, dict) and "boot_id" in row)
        return
    for line in listed.splitlines():
        words = line.split()
        if len(words) > 1 and len(words[1]) == 32:
            yield words[1]


def _which_boot(case: Case, boot: str) -> str:
    before = case.boot_before.replace("-", "") if case.boot_before else ""
    if not before:
        return ""
    return ", the one that the cycle started from" if boot == before else ""
