"""Tables of a matrix file, read strictly: rows of names per dimension, each error with file, line and key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from harness.config.table import DIMENSIONS
from harness.config.toml_place import KeyPath, line_of
from harness.errors import ConfigError
from harness.model import Cell
from harness.registry import unknown

Name = Annotated[str, Meta(min_length=1)]
Names = Name | Annotated[list[Name], Meta(min_length=1)]
StructT = TypeVar("StructT", bound=Struct)

TOML_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}


class Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names per dimension; None for a dimension that is not named."""

    image: Names | None = None
    device: Names | None = None
    firmware: Names | None = None
    loader: Names | None = None
    kernel: Names | None = None
    machine: Names | None = None

    def named(self) -> dict[str, tuple[str, ...]]:
        """Dimension -> its names, for those that are named."""
        found = {dimension: getattr(self, dimension) for dimension in DIMENSIONS}
        return {
            dimension: (value,) if isinstance(value, str) else tuple(value)
            for dimension, value in found.items()
            if value is not None
        }

    def fits(self, cell: Cell) -> bool:
        """Whether the cell has one of the names in every dimension that is named."""
        return fits(cell, self.named())


def fits(cell: Cell, choice: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether the cell has one of the names in every dimension of `choice`."""
    values: dict[str, str] = {
        "image": cell.image,
        "device": cell.device_set,
        "firmware": cell.firmware,
        "loader": cell.loader,
        "kernel": cell.kernel,
        "machine": cell.machine,
    }
    return all(values[dimension] in names for dimension, names in choice.items())


class TableReader(Struct, frozen=True):
    """Converts the tables of one file, one at a time, so that every message knows its path."""

    file: Path
    text: str
    table: dict[str, Any]

    def line(self, path: KeyPath) -> int | None:
        """The line of a key; a missing one has none, but its table has."""
        lines = (line_of(self.text, path[:length]) for length in range(len(path), 0, -1))
        return next((line for line in lines if line), None)

    def error(self, path: KeyPath, problem: str, mend: str | None = None) -> ConfigError:
        """An error about a key of the file."""
        key = ".".join(str(step) for step in path)
        return ConfigError(
            problem, file=self.file, line=self.line(path), key=re.sub(r"\.(\d+)", r"[\1]", key), mend=mend
        )

    def convert(self, path: KeyPath, kind: type[StructT], others: tuple[str, ...] = ()) -> StructT:
        """The table at `path`, which may have the keys `others` beside those of `kind`. Raises ConfigError."""
        value: Any = self.table
        for step in path:
            if isinstance(value, dict) and step not in value:
                raise self.error(path, "is missing", mend=f"add a table [{'.'.join(map(str, path))}]")
            value = value[step]
        if isinstance(value, dict):
            value = {key: item for key, item in value.items() if key not in others}
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise self._invalid(path, kind, str(error), others) from error

    def convert_all(self, name: str, kind: type[StructT], others: tuple[str, ...] = ()) -> list[StructT]:
        """The rows `[[name]]`, none if there are none. Raises ConfigError."""
        rows = self.table.get(name, [])
        if not isinstance(rows, list):
            raise self.error((name,), f"must be rows that each begin with [[{name}]]")
        return [self.convert((name, number), kind, others) for number in range(len(rows))]

    def _invalid(self, path: KeyPath, kind: type[StructT], message: str, others: tuple[str, ...]) -> ConfigError:
        """msgspec's message, such as "Expected `str`, got `int` - at `$.image[0]`", with its place in the file."""
        problem, _, where = message.partition(" - at `$")
        inner = tuple(int(step) if step.isdigit() else step for step in re.findall(r"\w+", where))
        fields = [*(field.name for field in msgspec.structs.fields(kind)), *others]
        if key := re.search(r"unknown field `(.*)`", problem):
            return self.error((*path, key[1]), unknown(key[1], "key", fields))
        if key := re.search(r"missing required field `(.*)`", problem):
            return self.error((*path, key[1]), "is missing", mend=f"add {key[1]} to this table")
        mend = "give a name in quotes, or a list of them in brackets" if inner else None
        return self.error((*path, *inner), _in_words(problem), mend)


def _in_words(problem: str) -> str:
    """msgspec's "Expected `str | array | null`, got `int`" in words of TOML, which has no null."""
    words = problem[:1].lower() + problem[1:].replace(" | null", "").replace(" | ", " or ").replace("`", "")
    return re.sub(r"\b(str|int|float|bool|array|object)\b", lambda found: TOML_WORDS[found[1]], words)
