"""matrix.toml, read strictly: the axes that cells vary along, what is added, what is left out, and selections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from harness.config.overrides import read_overrides, selection_settings
from harness.config.rows import Name, Names, Row, TableReader
from harness.config.settings import read_defaults, shorten
from harness.config.table import PER_CELL
from harness.config.toml_place import KeyPath, line_of, read_toml
from harness.registry import unknown


class Axes(Row, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a dimension can be; the first is its default."""

    image: Names
    device: Names
    firmware: Names = "seabios"
    loader: Names = "grub"
    kernel: Names = "default"
    machine: Names = "q35"


class ExcludeRow(Row, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cells that are not run: those that have one of the names in every dimension that is named."""

    reason: Name


class Matrix(Struct, frozen=True, kw_only=True):
    """A matrix file. `file` is how messages call it."""

    axes: Axes
    include: tuple[Row, ...] = ()
    exclude: tuple[ExcludeRow, ...] = ()
    select: dict[str, Row]
    #: cells with settings of their own
    override: tuple[Row, ...] = ()
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
        yield from ((("override", number), row) for number, row in enumerate(self.override))
        yield from ((("select", name), row) for name, row in self.select.items())


TABLES = ("defaults", "axes", "include", "exclude", "override", "select")


def read_matrix(path: Path, *, folder: Path | None = None) -> Matrix:
    """Read a matrix file. Messages call it relative to `folder` if it lies within.

    Raises ConfigError with file, line and key for a file that cannot be read, is not TOML, has a key that nobody
    knows, or a value of the wrong type. Whether what it names exists is checked by `harness.config.cells.expand`.
    """
    shown = shorten(path, folder or Path.cwd())
    read_defaults(path, shown=shown)
    text, table = read_toml(path, shown=shown)
    reader = TableReader(shown, text, table)
    for key in table:
        if key not in TABLES:
            raise reader.error((key,), unknown(key, "table", TABLES))
    for _ in read_overrides(reader, folder=path.parent):
        pass
    return Matrix(
        axes=reader.convert(("axes",), Axes),
        include=tuple(reader.convert_all("include", Row)),
        exclude=tuple(reader.convert_all("exclude", ExcludeRow)),
        override=tuple(reader.convert_all("override", Row, PER_CELL)),
        select=_selections(reader, path.parent),
        file=shown,
        text=text,
    )


def _selections(reader: TableReader, folder: Path) -> dict[str, Row]:
    selections = reader.table.get("select", {})
    if not isinstance(selections, dict):
        raise reader.error(("select",), "must be tables that each begin with [select.NAME]")
    found = {name: reader.convert(("select", name), Row, PER_CELL) for name in selections}
    if "default" not in found:
        mend = "add [select.default]: the cells that run when nothing is named"
        raise reader.error(("select", "default"), "is missing", mend=mend)
    for name in found:
        selection_settings(reader, (name,), folder=folder)
    return found
