"""Time: one monotonic clock for every channel, and deadlines on it. The only room that may wait."""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Where the harness reads the time. Both values are seconds."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary origin; never goes back."""
        ...

    def wall(self) -> datetime.datetime:
        """The calendar time, with its time zone; for records only, never for measuring."""
        ...


class HostClock:
    """The host's own clocks."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC)


class ManualClock:
    """A clock that only moves when told to: for replayed transcripts and tests."""

    def __init__(self, start: float = 0.0, wall: datetime.datetime | None = None) -> None:
        self._now = start
        self._start = start
        self._wall = wall or datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)

    def monotonic(self) -> float:
        return self._now

    def wall(self) -> datetime.datetime:
        return self._wall + datetime.timedelta(seconds=self._now - self._start)

    def advance_to(self, when: float) -> None:
        """Move to `when` (seconds); a time already past changes nothing."""
        self._now = max(self._now, when)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on `clock` after which waiting is given up."""

    clock: Clock
    at: float

    @classmethod
    def after(cls, clock: Clock, seconds: float) -> Deadline:
        return cls(clock, clock.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self.at - self.clock.monotonic())

    def expired(self) -> bool:
        return self.clock.monotonic() >= self.at


def pause(seconds: float) -> None:
    """Wait. For retries against things that give no event (a socket file to appear); keep it short."""
    time.sleep(seconds)
