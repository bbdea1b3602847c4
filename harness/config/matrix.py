"""matrix.toml, read strictly: the axes that cells vary along, what is added, what is left out, and selections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from harness.config.settings import read_defaults, shorten
from harness.config.table import DIMENSIONS
from harness.config.toml_place import KeyPath, line_of, read_toml
from harness.errors import ConfigError
from harness.registry import unknown

Name = Annotated[str, Meta(min_length=1)]
Names = Name | Annotated[list[Name], Meta(min_length=1)]
StructT = TypeVar("StructT", bound=Struct)


class Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names per dimension; None for a dimension that is not named."""

    image: Names | None = None
    device: Names | None = None
    firmware: Names | None = None
    loader: Names | None = None
    kernel: Names | None = None

    def named(self) -> dict[str, tuple[str, ...]]:
        """Dimension -> its names, for those that are named."""
        found = {dimension: getattr(self, dimension) for dimension in DIMENSIONS}
        return {
            dimension: (value,) if isinstance(value, str) else tuple(value)
            for dimension, value in found.items()
            if value is not None
        }


class Axes(Row, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a dimension can be; the first is its default."""

    image: Names
    device: Names
    firmware: Names = "seabios"
    loader: Names = "grub"
    kernel: Names = "default"


class ExcludeRow(Row, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cells that are not run: those that have one of the names in every dimension that is named."""

    reason: Name


class Matrix(Struct, frozen=True, kw_only=True):
    """A matrix file. `file` is how messages call it."""

    axes: Axes
    include: tuple[Row, ...] = ()
    exclude: tuple[ExcludeRow, ...] = ()
    select: dict[str, Row]
    file: Path
    text: str

    def line(self, *path: str | int) -> int | None:
        """The line on which a key of the file stands."""
        return line_of(self.text, path)

    def rows(self) -> Iterator[tuple[KeyPath, Row]]:
        """Every table of names in the file, with its path."""
        yield ("axes",), self.axes
        yield from ((("include", number), row) for number, row in enumerate(self.include))
        yield from ((("exclude", number), row) for number, row in enumerate(self.exclude))
        yield from ((("select", name), row) for name, row in self.select.items())


TOML_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
TABLES = ("defaults", "axes", "include", "exclude", "select")


def read_matrix(path: Path, *, folder: Path | None = None) -> Matrix:
    """Read a matrix file. Messages call it relative to `folder` if it lies within.

    Raises ConfigError with file, line and key for a file that cannot be read, is not TOML, has a key that nobody
    knows, or a value of the wrong type. Whether what it names exists is checked by `harness.config.cells.expand`.
    """
    shown = shorten(path, folder or Path.cwd())
    read_defaults(path, shown=shown)
    text, table = read_toml(path, shown=shown)
    reader = _Reader(shown, text, table)
    for key in table:
        if key not in TABLES:
            raise reader.error((key,), unknown(key, "table", TABLES))
    return Matrix(
        axes=reader.convert(("axes",), Axes),
        include=tuple(reader.convert_all("include", Row)),
        exclude=tuple(reader.convert_all("exclude", ExcludeRow)),
        select=reader.selections(),
        file=shown,
        text=text,
    )


class _Reader(Struct, frozen=True):
    """Converts the tables of one file, one at a time, so that every message knows its path."""

    file: Path
    text: str
    table: dict[str, Any]

    def error(self, path: KeyPath, problem: str, mend: str | None = None) -> ConfigError:
        key = ".".join(str(step) for step in path)
        # A missing key has no line: its table has.
        lines = (line_of(self.text, path[:length]) for length in range(len(path), 0, -1))
        line = next((line for line in lines if line), None)
        return ConfigError(problem, file=self.file, line=line, key=re.sub(r"\.(\d+)", r"[\1]", key), mend=mend)

    def convert(self, path: KeyPath, kind: type[StructT]) -> StructT:
        value: Any = self.table
        for step in path:
            if isinstance(value, dict) and step not in value:
                raise self.error(path, "is missing", mend=f"add a table [{'.'.join(map(str, path))}]")
            value = value[step]
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise self._invalid(path, kind, str(error)) from error

    def convert_all(self, name: str, kind: type[StructT]) -> list[StructT]:
        rows = self.table.get(name, [])
        if not isinstance(rows, list):
            raise self.error((name,), f"must be rows that each begin with [[{name}]]")
        return [self.convert((name, number), kind) for number in range(len(rows))]

    def selections(self) -> dict[str, Row]:
        selections = self.table.get("select", {})
        if not isinstance(selections, dict):
            raise self.error(("select",), "must be tables that each begin with [select.NAME]")
        found = {name: self.convert(("select", name), Row) for name in selections}
        if "default" not in found:
            mend = "add [select.default]: the cells that run when nothing is named"
            raise self.error(("select", "default"), "is missing", mend=mend)
        return found

    def _invalid(self, path: KeyPath, kind: type[StructT], message: str) -> ConfigError:
        """msgspec's message, such as "Expected `str`, got `int` - at `$.image[0]`", with its place in the file."""
        problem, _, where = message.partition(" - at `$")
        inner = tuple(int(step) if step.isdigit() else step for step in re.findall(r"\w+", where))
        fields = [field.name for field in msgspec.structs.fields(kind)]
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
