"""The queue between the watcher, which reads a machine's channels, and the harness, which makes sense of them.

Each channel has its own bound in bytes, so that a flood on one does not cost a word of another. While somebody takes
events out, a guest that is faster than the harness waits for it, as it would for a slow terminal. While nobody does (a
script is being waited for, say), it must not: its output then goes, and a `Gap` stands in its place.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import Counter

from harness.clock import Deadline
from harness.model import Event, Gap
from harness.model.sizes import as_gap, channel_of, cost_of, joined

#: what is queued delays the verdict on what comes after it: well below a second of reading
MAX_BYTES = 2 << 20
#: how long a full channel is held up for a reader who takes nothing: on a busy host one event may take seconds
READER_S = 10.0


class Backlog:
    """Filled in the event loop, emptied by one other thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_bytes: int = MAX_BYTES) -> None:
        self._loop, self._max_bytes = loop, max_bytes
        self._queue: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._lock = threading.Lock()
        #: channel -> bytes that are queued of it
        self._bytes: Counter[str] = Counter()
        #: events that were taken out so far
        self._taken = 0
        self._room = asyncio.Event()
        #: channel -> what was not kept since the last event of it that was
        self._gaps: dict[str, Gap] = {}
        self._unattended = False
        #: seconds for which guests were made to wait
        self.held_up_s = 0.0

    def put(self, event: Event) -> None:
        """Queue an event. Once nobody reads, what exceeds the bound of its channel is left out."""
        of = channel_of(event)
        if of is not None and self._unattended and self.is_full(of):
            gone = as_gap(event, of)
            self._gaps[of] = joined(self._gaps[of], gone) if of in self._gaps else gone
            return
        for gap in self._gaps.values():
            self._queue.put(gap)
        self._gaps.clear()
        if of is not None:
            with self._lock:
                self._bytes[of] += cost_of(event)
        self._queue.put(event)

    async def room(self, of: str) -> None:
        """Wait while that channel is full, as long as somebody empties the queue."""
        while not self._unattended and self.is_full(of):
            self._room.clear()
            before, since = self._taken, self._loop.time()
            try:
                await asyncio.wait_for(self._room.wait(), READER_S)
            except TimeoutError:
                self._unattended = self._taken == before
            self.held_up_s += self._loop.time() - since

    def get(self, deadline: Deadline) -> Event | None:
        """The next event, or None once the deadline has passed."""
        try:
            event = self._queue.get(timeout=deadline.remaining())
        except queue.Empty:
            return None
        self._taken += 1
        self._unattended = False
        of = channel_of(event)
        if of is not None:
            with self._lock:
                was_full = self.is_full(of)
                self._bytes[of] -= cost_of(event)
            if was_full and not self.is_full(of):
                self._loop.call_soon_threadsafe(self._room.set)
        return event

    def is_full(self, of: str) -> bool:
        """Whether as much of that channel is queued as may be."""
        return self._bytes[of] >= self._max_bytes
