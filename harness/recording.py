"""What is kept of a boot's events, within a bound, however much the guest says.

Every event is read when it comes. Of each talkative channel the first and the last part are kept, and in between what
turned out to mean something; the rest goes, and a `Gap` stands in its place. Pieces of a console line become one
event with the time of the line's end, so that reading the recording gives the same lines at the same times as reading
it live did.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from harness.model import ConsoleData, Event, Gap
from harness.model.sizes import as_gap, channel_of, cost_of, joined

#: what is kept from a channel's start, from its end, and of what meant something in between; in bytes of memory
HEAD_BYTES = 8 << 20
TAIL_BYTES = 8 << 20
PINNED_BYTES = 2 << 20
#: a line longer than this is kept in several pieces
MAX_JOINED = 64 << 10
#: pieces of an unfinished line that are remembered, in case its end gives it a meaning; only a line's start counts
MAX_PIECES = 8


@dataclass(slots=True)
class _Kept:
    """An event, its place in the order of all events, and whether it must stay."""

    number: int
    event: Event
    pinned: bool = False


@dataclass(slots=True)
class _Stream:
    """One channel: its start, its end, and what is left of the middle."""

    of: str
    head_room: int
    tail_room: int
    pinned_room: int
    kept: list[_Kept] = field(default_factory=list)
    tail: deque[_Kept] = field(default_factory=deque)
    #: the gap that the next dropped event belongs to
    gap: _Kept | None = None

    def add(self, item: _Kept) -> None:
        cost = cost_of(item.event)
        if not self.tail and self.head_room >= cost:
            self.head_room -= cost
            self.kept.append(item)
            return
        self.tail.append(item)
        self.tail_room -= cost
        while self.tail_room < 0 and len(self.tail) > 1:
            oldest = self.tail.popleft()
            cost = cost_of(oldest.event)
            self.tail_room += cost
            if oldest.pinned and self.pinned_room >= cost:
                self.pinned_room -= cost
                self.kept.append(oldest)
                self.gap = None
            else:
                self._drop(oldest)

    def _drop(self, item: _Kept) -> None:
        gone = as_gap(item.event, self.of)
        if self.gap is None or not isinstance(self.gap.event, Gap):
            self.gap = _Kept(item.number, gone)
            self.kept.append(self.gap)
        else:
            self.gap.event = joined(self.gap.event, gone)


class Recording:
    """Takes a boot's events in order of arrival, and gives what is kept of them."""

    def __init__(self, head: int = HEAD_BYTES, tail: int = TAIL_BYTES, pinned: int = PINNED_BYTES) -> None:
        """Bytes of memory that each channel may take: from its start, from its end, and pinned in between."""
        self._rooms = (head, tail, pinned)
        self._streams: dict[str, _Stream] = {}
        self._others: list[_Kept] = []
        self._number = 0
        #: the console's unfinished line, as far as it is not in an event yet, and when its last piece came
        self._rest = ""
        self._rest_t = 0.0
        #: the events that have an unfinished line's start
        self._pieces: list[_Kept] = []

    def add(self, event: Event, *, pin: bool = False) -> None:
        """Keep an event. What is pinned stays even in the middle of a flood, as far as there is room for it."""
        if isinstance(event, ConsoleData):
            self._add_console(event, pin=pin)
            return
        self._close_piece()
        of = channel_of(event)
        if of is None:
            self._others.append(self._next(event, pin=pin))
        else:
            self._stream(of).add(self._next(event, pin=pin))

    def events(self) -> tuple[Event, ...]:
        """What is kept, in order, with a `Gap` for each stretch that is not."""
        self._close_piece()
        items = list(self._others)
        for stream in self._streams.values():
            items += [*stream.kept, *stream.tail]
        return tuple(item.event for item in sorted(items, key=lambda item: item.number))

    def _add_console(self, event: ConsoleData, *, pin: bool) -> None:
        text = self._rest + event.text
        cut = max(text.rfind("\n"), text.rfind("\r")) + 1
        self._rest, self._rest_t = text[cut:], event.t
        if cut:
            if pin:
                for piece in self._pieces:
                    piece.pinned = True
            self._pieces.clear()
            self._stream("console").add(self._next(ConsoleData(event.t, text[:cut]), pin=pin))
        if len(self._rest) >= MAX_JOINED or pin:
            # What matters without a line's end is a prompt.
            self._close_piece(pin=pin and not cut)

    def _close_piece(self, *, pin: bool = False) -> None:
        """Make an event of what there is of an unfinished line."""
        if not self._rest:
            return
        piece = self._next(ConsoleData(self._rest_t, self._rest), pin=pin)
        self._rest = ""
        if len(self._pieces) < MAX_PIECES:
            self._pieces.append(piece)
        self._stream("console").add(piece)

    def _next(self, event: Event, *, pin: bool) -> _Kept:
        self._number += 1
        return _Kept(self._number, event, pin)

    def _stream(self, of: str) -> _Stream:
        if of not in self._streams:
            self._streams[of] = _Stream(of, *self._rooms)
        return self._streams[of]
