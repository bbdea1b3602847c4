"""The setting `stop`: when a campaign ends before its last block."""

from __future__ import annotations

import re

#: what STOP may be, for messages
FORMS = "fixed, auto, or time: with a duration such as time:2h or time:90m"
#: most blocks of a run that stops by itself, where nobody said BLOCKS
MOST_BLOCKS = 2000
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TIME = re.compile(r"time:(\d{1,9}(?:\.\d{1,6})?)([smhd])")


def is_stop(text: str) -> bool:
    """Whether this is a stop rule."""
    return text in {"fixed", "auto"} or (time_limit(text) or 0) > 0


def time_limit(stop: str) -> float | None:
    """Seconds after which `time:2h` ends a cell's campaign; None for another rule."""
    found = _TIME.fullmatch(stop)
    return float(found[1]) * _UNITS[found[2]] if found else None
