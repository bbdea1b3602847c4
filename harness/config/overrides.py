"""Settings of single cells: the rows `[[override]]` of a matrix file, and what its selections set.

Both are settings of the file, like its `[defaults]`: the command line, the environment and pytest's configuration
are stronger. A row is stronger than a selection, a later row than an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from harness.config.rows import Row, TableReader
from harness.config.table import BY_NAME, PER_CELL
from harness.config.toml_place import KeyPath
from harness.config.values import Given, parse
from harness.errors import ConfigError


class Override(Struct, frozen=True):
    """Cells, and the settings that they have instead of the run's: name -> value, and where it stands."""

    row: Row
    values: dict[str, object]
    origins: dict[str, str]

    def without(self, names: frozenset[str]) -> Override:
        """The same, but for these settings."""
        return Override(
            self.row,
            {name: value for name, value in self.values.items() if name not in names},
            {name: origin for name, origin in self.origins.items() if name not in names},
        )


def read_overrides(reader: TableReader, *, folder: Path) -> Iterator[Override]:
    """The rows in the file's order. Raises ConfigError with the line of whatever is wrong in one."""
    for number, row in enumerate(reader.convert_all("override", Row, PER_CELL)):
        path = ("override", number)
        given = _given(reader, path, folder)
        if not given:
            raise reader.error(path, "sets nothing", mend=f"add a setting of its cells: {', '.join(PER_CELL)}")
        if not row.named():
            mend = 'name the cells that it is for, such as device = "nvme"; [defaults] has what is for all of them'
            raise reader.error(path, "is for no cells in particular", mend=mend)
        yield Override(
            row,
            {name: parse(BY_NAME[name], value) for name, value in given.items()},
            {name: value.origin for name, value in given.items()},
        )


def selection_settings(
    reader: TableReader, names: Sequence[str], *, folder: Path, decided: frozenset[str] = frozenset()
) -> dict[str, Given]:
    """What the selections of these names set, but for the settings `decided` elsewhere; an unknown one sets nothing.

    Raises ConfigError for a wrong value, and for selections that do not agree: a run has one value of each setting.
    """
    selections = reader.table.get("select", {})
    tables = [name for name in names if isinstance(selections, dict) and isinstance(selections.get(name), dict)]
    given = {name: _given(reader, ("select", name), folder) for name in tables}
    found: dict[str, Given] = {}
    for name in tables:
        for setting, value in given[name].items():
            parsed = parse(BY_NAME[setting], value)
            other = next((other for other in tables if not _says(given[other].get(setting), setting, parsed)), None)
            if other is not None and setting not in decided:
                raise _disagree(setting, value, other)
            found[setting] = value
    return found


def _says(given: Given | None, setting: str, value: object) -> bool:
    return given is not None and parse(BY_NAME[setting], given) == value


def _disagree(setting: str, given: Given, other: str) -> ConfigError:
    mend = f"run the selections one after the other, or say what counts: {BY_NAME[setting].make_variable}={given.raw}"
    return given.error(f"is {given.raw!r} here, and not in [select.{other}], which is to run with it", mend=mend)


def _given(reader: TableReader, path: KeyPath, folder: Path) -> dict[str, Given]:
    table = reader.table
    for step in path:
        table = table[step]  # type: ignore[index]
    found = {}
    for name in PER_CELL:
        if name in table:
            line, key = reader.line((*path, name)), f"{path[0]}.{name}"
            found[name] = Given(
                raw=table[name],
                origin=f"{reader.file}:{line}",
                folder=folder,
                file=reader.file,
                line=line,
                key=key,
                typed=True,
            )
    return found
