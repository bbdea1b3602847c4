"""Saved machines on disk, so that the next self-test of the same machine need not boot it.

<cache>/selftest/<image>-<key>.qcow2   root disk with the snapshot in it
<cache>/selftest/<image>-<key>.json    what the machine said until then

The key stands for all that the machine is made of: the image, QEMU and its command line, what was done in the guest.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from harness.errors import InfraError
from harness.lab import SavedMachine
from harness.model import Event

SNAPSHOT = "selftest"


class Boot(Struct, frozen=True):
    """What a machine reported and printed before it was saved."""

    ready: dict[str, object]
    events: list[Event]


class SavedMachines:
    """The saved machines of one image."""

    def __init__(self, folder: Path, image: str, made_of: Sequence[str]) -> None:
        """`made_of`: everything that makes this machine another one than those saved before."""
        key = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16]
        self._folder = folder
        self._image = image
        self._disk = folder / f"{image}-{key}.qcow2"
        self._boot = folder / f"{image}-{key}.json"

    def find(self) -> tuple[SavedMachine, Boot] | None:
        """The machine and its boot, if both are here and whole."""
        try:
            boot = msgspec.json.decode(self._boot.read_bytes(), type=Boot)
        except (OSError, msgspec.DecodeError):
            return None
        return (SavedMachine(self._disk, SNAPSHOT), boot) if self._disk.is_file() else None

    def keep(self, disk: Path, boot: Boot) -> SavedMachine:
        """Take over a disk; those of the same image saved before are removed. Raises InfraError."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for old in self._folder.glob(f"{self._image}-*"):
                old.unlink(missing_ok=True)
            part = self._disk.with_suffix(".part")
            shutil.move(disk, part)
            part.rename(self._disk)
            # Last: without it the disk counts for nothing.
            self._boot.write_bytes(msgspec.json.encode(boot))
        except OSError as error:
            with suppress(OSError):
                self._disk.unlink(missing_ok=True)
            raise InfraError(f"{self._folder}: {error.strerror}", mend="CACHE_DIR= names another place") from error
        return SavedMachine(self._disk, SNAPSHOT)
