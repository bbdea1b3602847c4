"""Holds the artefacts of a run to a size: when they grow over it, the oldest large files go first, and it is said."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from harness.artefacts.case import MIB

#: a file of this size or more may be dropped: dumps, disks, journals, screens
LARGE_BYTES = 64 << 10
LIST = "artefacts.txt"
DROPPED = "artefacts-dropped.txt"


class Held(Struct, frozen=True, order=True):
    """One large file: when it was taken, where it is, what it takes on the disk."""

    taken_ns: int
    path: Path
    size: int


def enforce(run_dir: Path, limit_bytes: int, say: Callable[[str], None]) -> list[Path]:
    """Drop large files of the run's failures, the oldest first, until the rest is within `limit_bytes`.

    Each is named in the list beside it, in DROPPED in the run's folder, and to `say`. Several processes may share a
    run. Raises OSError.
    """
    with (run_dir / f".{DROPPED}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        total, large = _measure(run_dir)
        dropped = []
        for held in sorted(large):
            if total <= limit_bytes:
                break
            held.path.unlink(missing_ok=True)
            total -= held.size
            dropped.append(held.path)
            _tell(run_dir, held, limit_bytes, say)
        return dropped


def _measure(run_dir: Path) -> tuple[int, list[Held]]:
    """Bytes that all failures take, and their large files."""
    total, large = 0, []
    for path in run_dir.glob("cells/*/failures/*/**/*"):
        status = path.lstat()
        # A second name of a file that is kept elsewhere takes no space, and dropping it gives none back.
        if not path.is_file() or path.is_symlink() or status.st_nlink > 1:
            continue
        size = status.st_blocks * 512
        total += size
        if size >= LARGE_BYTES:
            large.append(Held(status.st_mtime_ns, path, size))
    return total, large


def _tell(run_dir: Path, held: Held, limit_bytes: int, say: Callable[[str], None]) -> None:
    where = held.path.relative_to(run_dir)
    line = f"dropped {where} ({held.size / MIB:.1f} MiB): ARTEFACTS_MIB allows {limit_bytes // MIB} MiB in all"
    folder = run_dir.joinpath(*where.parts[:4])
    for file in (run_dir / DROPPED, folder / LIST):
        with file.open("a", encoding="utf-8") as notes:
            notes.write(f"{line}\n")
    say(line)
