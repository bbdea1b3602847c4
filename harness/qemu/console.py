"""Interactive work on a guest's serial console: pexpect on a private copy of the console's bytes.

The watcher reads the console itself, stamps and records it. Somebody who wants to type and expect gets a tap:
a socket pair whose far end the watcher feeds. A tap that nobody reads drops bytes; the watcher never waits.
"""

from __future__ import annotations

import socket
from contextlib import suppress

from pexpect.socket_pexpect import SocketSpawn


class ConsoleTap:
    """Both ends of a tap. The user works with `spawn`; the watcher with `far_end`."""

    def __init__(self) -> None:
        near, self.far_end = socket.socketpair()
        self.far_end.setblocking(False)
        self.spawn = SocketSpawn(near, encoding="utf-8", codec_errors="replace", timeout=60)
        # pexpect waits 50 ms before each send unless told otherwise.
        self.spawn.delaybeforesend = None

    def feed(self, data: bytes) -> None:
        with suppress(BlockingIOError, BrokenPipeError, OSError):
            self.far_end.send(data)

    def close(self) -> None:
        self.far_end.close()
        with suppress(OSError):
            self.spawn.close()
