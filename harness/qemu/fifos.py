"""The console's channel: a pair of FIFOs, the guest's words in one and ours in the other.

QEMU hands a serial port's bytes on one at a time. A Unix socket holds 278 of such pieces, and a guest that prints waits
while it is full; a pipe joins them and holds 64 KiB (Linux; pipe(7)). One MB of console took a guest under TCG 15 s
through a socket that was read at once, and 1.5 s with nobody listening (QEMU 7.2, two busy CPUs).
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

READ_BYTES = 65536


class Fifos:
    """A channel of QEMU's `pipe` chardevs. Methods but `make` run in the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._from_guest = self._to_guest = -1
        self._writing = asyncio.Lock()

    @staticmethod
    def make(path: Path) -> None:
        """Make the FIFOs that QEMU looks for when it is told `path`. Raises OSError."""
        for end in ("in", "out"):
            os.mkfifo(f"{path}.{end}", 0o600)

    def open(self, path: Path) -> None:
        """Open both, once QEMU has: before, there would be nobody to write to. Raises OSError."""
        self._from_guest = os.open(f"{path}.out", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._to_guest = os.open(f"{path}.in", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            # Nobody reads: QEMU has just ended, and reading finds that.
            if error.errno != errno.ENXIO:
                raise

    def read_now(self) -> bytes:
        """What has been said and not been read; b"" for nothing, also at the end."""
        with suppress(OSError):
            return os.read(self._from_guest, READ_BYTES)
        return b""

    async def read(self) -> bytes:
        """What the guest says next; b"" once QEMU has ended."""
        while True:
            try:
                return os.read(self._from_guest, READ_BYTES)
            except BlockingIOError:
                await _until(self._from_guest, self._loop.add_reader, self._loop.remove_reader)

    async def write(self, data: bytes) -> None:
        """Send all of it to the guest, one caller after the other. Raises OSError if QEMU has ended."""
        async with self._writing:
            while data:
                try:
                    data = data[os.write(self._to_guest, data) :]
                except BlockingIOError:
                    await _until(self._to_guest, self._loop.add_writer, self._loop.remove_writer)

    def close(self) -> None:
        """Close what is open. May be called twice."""
        for end in (self._from_guest, self._to_guest):
            if end >= 0:
                os.close(end)
        self._from_guest = self._to_guest = -1


async def _until(end: int, add: Callable[[int, Callable[[], None]], object], remove: Callable[[int], object]) -> None:
    """Wait until that end can be used."""
    usable = asyncio.Event()
    add(end, usable.set)
    try:
        await usable.wait()
    finally:
        remove(end)
