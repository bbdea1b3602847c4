"""The echo service of a device set: whatever the guest sends through a device comes back to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket

#: what is held for a guest that is slow to take it back
MAX_ECHO_BYTES = 16 << 20


class Echo:
    """Sends what it is fed back through one socket. Belongs to the event loop."""

    def __init__(self, endpoint: socket.socket) -> None:
        self._endpoint = endpoint
        self._held = bytearray()
        self._waiting = asyncio.Event()

    def feed(self, data: bytes) -> None:
        """Take what the guest has sent.

        Reading never waits for writing: QEMU's main loop stands still while its end of the socket is full. A guest that
        sends without reading loses what does not fit, and its check fails.
        """
        if len(self._held) + len(data) <= MAX_ECHO_BYTES:
            self._held += data
            self._waiting.set()

    async def run(self) -> None:
        """Send until the task is cancelled or the machine is gone."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while await self._waiting.wait():
                data = bytes(self._held)
                self._held.clear()
                self._waiting.clear()
                await loop.sock_sendall(self._endpoint, data)
