"""Which lines of a console are the running kernel's own, by the times that they carry.

Anybody may print an old log: the last boot's panic, `dmesg` of another machine. The times of one kernel never go
back, and never run ahead of the clock on the wall.
"""

from __future__ import annotations

#: seconds that a message may be late: CPUs print side by side
BACK_S = 1.0
#: seconds, and share of the time passed, that it may be early: the kernel corrects its clock as it boots
AHEAD_S, AHEAD_SHARE = 5.0, 0.1


class KernelTime:
    """The time of one kernel's log from its first line on. `host_clock` False: the lines' arrival says nothing."""

    def __init__(self, t: float, *, host_clock: bool) -> None:
        """`t`: arrival of its first line, whose time is 0."""
        self._host_clock = host_clock
        self._started = t
        self._latest = 0.0

    def believes(self, time: float, t: float) -> bool:
        """Whether a message that carries `time` and arrives at `t` can be this kernel's; if so, it is noted."""
        if time < self._latest - BACK_S:
            return False
        if self._host_clock and time > (t - self._started) * (1 + AHEAD_SHARE) + AHEAD_S:
            return False
        self._latest = max(self._latest, time)
        return True
