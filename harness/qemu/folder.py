"""The private folder of a machine: its sockets, its disks, and what QEMU prints."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from harness.errors import InfraError, NoSpace

PREFIX = "kexec-harness-"
LOCK = "lock"


class PrivateFolder:
    """A new folder that only this user can enter, short enough for the paths of Unix sockets (107 bytes).

    It is locked for as long as this process lives. What a killed harness left behind has no holder, and is removed
    by the next one that makes a folder beside it. Raises OSError if the folder cannot be made.
    """

    def __init__(self) -> None:
        _remove_leftovers(Path(tempfile.gettempdir()))
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        # Locked before it has its name: who finds a lock that is free has found a leftover.
        unnamed = self.path / f"{LOCK}.new"
        self._lock = os.open(unnamed, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        unnamed.rename(self.path / LOCK)

    @classmethod
    def new(cls) -> PrivateFolder:
        """A new one. Raises InfraError that says where it could not be made."""
        try:
            return cls()
        except OSError as error:
            place = error.filename or tempfile.gettempdir()
            mend = "set TMPDIR to a folder that can be written to"
            raise InfraError(f"{place}: {error.strerror}", mend=mend) from error

    def check_space(self, needed: int) -> None:
        """Raises NoSpace if fewer than `needed` bytes are free where the folder is, InfraError if nobody can tell."""
        try:
            free = shutil.disk_usage(self.path).free
        except OSError as error:
            raise InfraError(f"{self.path}: {error.strerror}") from error
        if free < needed:
            raise NoSpace(
                f"{self.path.parent}: {free >> 20} MiB free, a machine's disk needs {needed >> 20} MiB",
                mend="free some space there, or set TMPDIR to a folder on another disk",
            )

    def remove(self) -> None:
        """Remove the folder and all that is in it. May be called twice."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _remove_leftovers(parent: Path) -> None:
    for lock in parent.glob(f"{PREFIX}*/{LOCK}"):
        # Another user's, or somebody else was quicker.
        with suppress(OSError):
            if lock.lstat().st_uid == os.geteuid() and _is_free(lock):
                shutil.rmtree(lock.parent, ignore_errors=True)


def _is_free(lock: Path) -> bool:
    handle = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True
