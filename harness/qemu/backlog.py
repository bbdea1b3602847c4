"""The queue between the watcher, which reads a machine's channels, and the harness, which makes sense of them.

Bounded in bytes. While somebody takes events out, a guest that is faster than the harness waits for it, as it would
for a slow terminal. While nobody does (a script is being waited for, say), it must not: its output then goes, and a
`Gap` stands in its place.
"""

from __future__ import annotations

import asyncio
import queue
import threading

from harness.clock import Deadline
from harness.model import Event, Gap
from harness.model.sizes import as_gap, channel_of, cost_of, joined

#: what is queued delays the verdict on what comes after it: half a second of reading
MAX_BYTES = 8 << 20
#: how long a full queue is held up for a reader who takes nothing: on a busy host one event may take seconds
READER_S = 10.0


class Backlog:
    """Filled in the event loop, emptied by one other thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_bytes: int = MAX_BYTES) -> None:
        self._loop, self._max_bytes = loop, max_bytes
        self._queue: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._bytes = 0
        self._room = asyncio.Event()
        #: channel -> what was not kept since the last event of it that was
        self._gaps: dict[str, Gap] = {}
        self._unattended = False
        #: seconds for which guests were made to wait
        self.held_up_s = 0.0

    def put(self, event: Event) -> None:
        """Queue an event. Once nobody reads, what a guest can send without end is left out."""
        of = channel_of(event)
        if of is not None and self._unattended and self._is_full():
            self._gaps[of] = as_gap(event, of) if of not in self._gaps else joined(self._gaps[of], as_gap(event, of))
            return
        self._unattended = False
        for gap in self._gaps.values():
            self._queue.put(gap)
        self._gaps.clear()
        with self._lock:
            self._bytes += cost_of(event)
        self._queue.put(event)

    async def room(self) -> None:
        """Wait while the queue is full, as long as somebody empties it."""
        while not self._unattended and self._is_full():
            self._room.clear()
            before, since = self._bytes, self._loop.time()
            try:
                await asyncio.wait_for(self._room.wait(), READER_S)
            except TimeoutError:
                self._unattended = self._bytes == before
            self.held_up_s += self._loop.time() - since

    def get(self, deadline: Deadline) -> Event | None:
        """The next event, or None once the deadline has passed."""
        try:
            event = self._queue.get(timeout=deadline.remaining())
        except queue.Empty:
            return None
        with self._lock:
            was_full = self._is_full()
            self._bytes -= 0 if isinstance(event, Gap) else cost_of(event)
        if was_full and not self._is_full():
            self._loop.call_soon_threadsafe(self._room.set)
        return event

    def _is_full(self) -> bool:
        return self._bytes >= self._max_bytes
