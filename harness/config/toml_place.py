"""On which line of a TOML file a key stands: tomllib does not say, and an error message without it is a hunt.

No parser of our own: a key is set by the first statement with which the text, cut after it, has that key.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from pathlib import Path
from typing import Any

from harness.errors import ConfigError

#: keys of tables and indices of arrays, from the top of the file
KeyPath = tuple[str | int, ...]


def read_toml(path: Path, *, shown: Path | None = None, mend: str | None = None) -> tuple[str, dict[str, Any]]:
    """The text of a TOML file, and what it says. `shown` is how messages call the file.

    Raises ConfigError with line and column for one that is not TOML, and with `mend` for one that is not there.
    """
    shown = shown or path
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=shown, mend=mend) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text: {error.reason} at byte {error.start}", file=shown) from error
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(str(error), text, shown) from error


def line_of(text: str, path: KeyPath) -> int | None:
    """Number of the line, from 1, on which `path` is first set in valid TOML `text`; None if it is not set.

    An item of an array that goes over several lines has the line that it ends on.
    """
    lines = [line + "\n" for line in text.split("\n")]
    if not _has(_statements(lines, len(lines)), path):
        return None
    # Monotone: more statements never take a key away. The first line that makes the difference starts the statement.
    line = bisect_left(range(len(lines)), True, key=lambda count: _has(_statements(lines, count), path))
    return _item_line(lines, line, path) or line


def _not_toml(message: str, text: str, shown: Path) -> ConfigError:
    problem, _, _ = message.partition(" (at ")
    at = re.search(r"at line (\d+), column (\d+)", message)
    line, column = (int(at[1]), int(at[2])) if at else (max(1, len(text.splitlines())), None)
    where = f"column {column}" if column else "at the end of the file"
    return ConfigError(f"not TOML: {problem[:1].lower()}{problem[1:]} ({where})", file=shown, line=line)


def _parse(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _statements(lines: list[str], count: int) -> dict[str, Any] | None:
    """What the first `count` lines say, together with the rest of the statement that the last of them is part of."""
    starts = (_parse("".join(lines[:end])) for end in range(count, len(lines) + 1))
    return next((table for table in starts if table is not None), None)


def _item_line(lines: list[str], start: int, path: KeyPath) -> int | None:
    """The line of an array's item: the first with which the array, closed right after it, has `path`."""
    if not path or not isinstance(path[-1], int):
        return None
    for line in range(start, len(lines) + 1):
        beginning = "".join(lines[:line])
        if _parse(beginning) is not None:
            return line
        if any(_has(_parse(beginning + closing), path) for closing in ("]", "]]")):
            return line
    return None


def _has(table: object, path: KeyPath) -> bool:
    for step in path:
        is_key = isinstance(table, dict) and step in table
        is_item = isinstance(table, list) and isinstance(step, int) and step < len(table)
        if not (is_key or is_item):
            return False
        table = table[step]  # type: ignore[index]
    return True
