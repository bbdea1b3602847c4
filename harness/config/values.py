"""From what a user wrote to a value of the right kind, or to a message that says where and what to write instead."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from harness.config.shards import Shard
from harness.config.stop import FORMS, is_stop
from harness.config.table import Definition, Kind
from harness.errors import ConfigError
from harness.registry import unknown

NumberT = TypeVar("NumberT", int, float)


class Given(Struct, frozen=True, kw_only=True):
    """A value as it was written, and where."""

    raw: object
    #: for people, e.g. "command line --kexec-blocks" or "scenarios/matrix.toml:3"
    origin: str
    #: relative paths start here
    folder: Path
    #: for values of a file: how messages call it, line and key
    file: Path | None = None
    line: int | None = None
    key: str | None = None
    #: whether numbers must be written as numbers, as in TOML, and not as text
    typed: bool = False

    def error(self, problem: str, *, mend: str | None = None) -> ConfigError:
        """An error about this value, which names its place."""
        if self.file is None:
            return ConfigError(problem, key=self.origin, mend=mend)
        return ConfigError(problem, file=self.file, line=self.line, key=self.key, mend=mend)


def parse(definition: Definition, given: Given) -> object:
    """The value: str, int, float, Path, a tuple of str, a Shard, or None for an empty one. Raises ConfigError."""
    raw = given.raw.strip() if isinstance(given.raw, str) else given.raw
    if raw in ("", [], ()):
        if definition.may_be_empty:
            return None
        raise given.error("is empty", mend=f"leave it out, or {_example(definition)}")
    return PARSERS[definition.kind](definition, given, raw)


def _example(definition: Definition) -> str:
    if definition.choices and definition.kind is Kind.CHOICE:
        return f"give one of: {', '.join(definition.choices)}"
    example = f", for example {definition.make_variable}={definition.example}" if definition.example else ""
    limits = ""
    if definition.kind in {Kind.WHOLE, Kind.NUMBER}:
        limits = f" from {definition.low:.15g} to {_limit(definition.high)}"
    return f"give {definition.kind.value}{limits}{example}"


def _limit(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.15g}"


def _wrong_kind(definition: Definition, given: Given) -> ConfigError:
    return given.error(f"{given.raw!r} is not {definition.kind.value}", mend=_example(definition))


def _text(definition: Definition, given: Given, raw: object) -> str:
    # A line break in a path or an address is a slip of a shell script, and would forge lines of records.
    if not isinstance(raw, str) or not raw.isprintable():
        raise _wrong_kind(definition, given)
    return raw


def _whole(definition: Definition, given: Given, raw: object) -> int:
    if isinstance(raw, str) and not given.typed and re.fullmatch(r"[+-]?[0-9]{1,30}", raw):
        raw = int(raw)
    if not isinstance(raw, int) or isinstance(raw, bool):
        raise _wrong_kind(definition, given)
    return _in_limits(definition, given, raw)


def _number(definition: Definition, given: Given, raw: object) -> float:
    if isinstance(raw, str) and not given.typed:
        raw = number_of(raw)
    if not isinstance(raw, int | float) or isinstance(raw, bool):
        raise _wrong_kind(definition, given)
    return _in_limits(definition, given, float(raw))


def number_of(text: str) -> object:
    """`0.01`, `1%` and `1/100` are the same number; other text is none."""
    with suppress(ValueError, ZeroDivisionError):
        if text.endswith("%"):
            return float(text[:-1]) / 100
        if "/" in text:
            above, below = text.split("/")
            return float(above) / float(below)
        return float(text)
    return text


def _stop(definition: Definition, given: Given, raw: object) -> str:
    if not isinstance(raw, str) or not is_stop(raw):
        raise given.error(f"{raw!r} is not {definition.kind.value}", mend=f"give {FORMS}")
    return raw


def _in_limits(definition: Definition, given: Given, value: NumberT) -> NumberT:
    if math.isnan(value) or not definition.low <= value <= definition.high:
        raise given.error(f"{value} is out of range", mend=_example(definition))
    return value


def _names(definition: Definition, given: Given, raw: object) -> tuple[str, ...]:
    parts = [raw] if isinstance(raw, str) else raw
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise _wrong_kind(definition, given)
    names = [name.strip() for part in parts for name in part.split(",")]
    for number, name in enumerate(names):
        if not name or not name.isprintable():
            shown = raw if isinstance(raw, str) else ",".join(parts)
            raise given.error(f"{shown!r} has an empty or unprintable name in it", mend=_example(definition))
        if name in names[:number]:
            raise given.error(f"'{name}' is there twice", mend="name each one once")
        if definition.choices:
            _choice(definition, given, name)
    return tuple(names)


def _choice(definition: Definition, given: Given, raw: object) -> str:
    word = _text(definition, given, raw)
    if word not in definition.choices:
        raise given.error(unknown(word, definition.name, definition.choices))
    return word


def _path(definition: Definition, given: Given, raw: object) -> Path:
    text = _text(definition, given, raw)
    try:
        return given.folder / Path(text).expanduser()
    except RuntimeError as error:
        raise given.error(f"{text!r}: {error}", mend=_example(definition)) from error


def _shard(definition: Definition, given: Given, raw: object) -> Shard:
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", raw) if isinstance(raw, str) else None
    if not found:
        raise _wrong_kind(definition, given)
    shard = Shard(int(found[1]), int(found[2]))
    if not 1 <= shard.number <= shard.of:
        raise given.error(f"{raw!r} does not exist: shards of {shard.of} are 1/{shard.of} to {shard.of}/{shard.of}")
    return shard


#: one for each kind
PARSERS: dict[Kind, Callable[[Definition, Given, object], object]] = {
    Kind.TEXT: _text,
    Kind.WHOLE: _whole,
    Kind.NUMBER: _number,
    Kind.CHOICE: _choice,
    Kind.LIST: _names,
    Kind.PATH: _path,
    Kind.SHARD: _shard,
    Kind.STOP: _stop,
}
