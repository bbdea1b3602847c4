"""From command line, environment, pytest's configuration and the matrix's defaults to one frozen set of settings."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from harness.config.overrides import Override, read_overrides, selection_settings
from harness.config.rows import TableReader
from harness.config.shards import Shard
from harness.config.stop import MOST_BLOCKS, time_limit
from harness.config.table import BY_NAME, MAX_BLOCKS, MAX_SEED, PROJECT, SETTINGS
from harness.config.toml_place import line_of, read_toml
from harness.config.values import Given, parse
from harness.errors import ConfigError
from harness.model import Cell, Setting
from harness.registry import unknown

PREFIX = "KEXEC_"


class Sources(Struct, frozen=True, kw_only=True):
    """Where settings may come from, the strongest first. Names are those of the table, without prefix."""

    #: name -> what stood on the command line; None for an option that was not given
    command_line: Mapping[str, object] = {}
    environment: Mapping[str, str] = {}
    #: name -> what pytest's configuration file says; None for a key that is not in it
    ini: Mapping[str, object] = {}
    ini_file: Path | None = None
    #: relative paths of the command line and the environment start here
    folder: Path
    #: how options of the command line begin
    prefix: str = "--kexec-"


class Settings(Struct, frozen=True, kw_only=True):
    """Every setting, resolved. A dimension that nobody named is empty: the matrix decides."""

    device: tuple[str, ...]
    image: tuple[str, ...]
    firmware: tuple[str, ...]
    loader: tuple[str, ...]
    kernel: tuple[str, ...]
    machine: tuple[str, ...]
    #: of the one kernel that is a file
    modules: Path | None
    initrd: Path | None
    methods: tuple[str, ...]
    blocks: int
    jobs: int
    seed: int
    #: fixed, auto, or time:DURATION
    stop: str
    results: Path
    accel: Literal["auto", "kvm", "tcg"]
    #: None: the one on the PATH
    qemu: str | None
    #: None: the one that this host's apt uses
    mirror: str | None
    #: names of the matrix's selections; empty: `default`
    select: tuple[str, ...]
    #: MiB
    memory: int
    smp: int
    #: difference of failure rates, a share from 0 to 1
    margin: float
    #: failed cycles allowed per arm
    failure_budget: int
    #: seconds, where no run has shown better
    cycle_seconds: float
    #: None: all cells
    shard: Shard | None
    #: cycles of each arm in a row
    chain: int
    #: QEMU options for devices of the user's own
    device_args: str | None
    #: name of the fault that reboots are spoilt with; None: none
    fault: str | None
    #: share of the reboots that it is injected into
    fault_rate: float
    #: 1: machines have a display
    screen: int
    #: 1: keep them of every failed cycle
    keep_disk: int
    keep_memory: int
    #: MiB, of all failures of a run together
    artefacts_mib: int
    #: failure rate that every arm must stay below, a share; None: the budget counts
    max_failure_rate: float | None
    #: slow-down that `compare` lets pass, a share
    max_slowdown: float
    #: seconds of a real machine's firmware
    firmware_seconds: float | None
    matrix: Path
    images_dir: Path
    cache_dir: Path
    #: name -> where the value came from, for people
    origins: dict[str, str]
    #: cells with settings of their own; what a stronger source than the matrix names is not in it
    overrides: tuple[Override, ...] = ()

    def for_cell(self, cell: Cell) -> Settings:
        """The settings of one cell: the run's, but for what the matrix sets for this cell."""
        values: dict[str, Any] = {}
        origins = dict(self.origins)
        for override in self.overrides:
            if override.row.fits(cell):
                values |= override.values
                origins |= override.origins
        return msgspec.structs.replace(self, **values, origins=origins) if values else self

    def records(self) -> dict[str, Setting]:
        """Name -> value and origin, as run.json keeps them: every value can be written as JSON."""
        return {name: Setting(_plain(getattr(self, name)), self.origins[name]) for name in BY_NAME}

    def records_beside(self, run: Settings) -> dict[str, Setting]:
        """As `records`, but only those that are not the same as the run's."""
        mine, others = self.records(), run.records()
        return {name: setting for name, setting in mine.items() if setting != others[name]}

    def error(self, name: str, problem: str, *, mend: str | None = None) -> ConfigError:
        """An error about the value of setting `name`, which names the place it came from."""
        origin = self.origins[name]
        return ConfigError(problem, key=name if origin == DEFAULT else origin, mend=mend)


#: origins that are no place
DEFAULT, DRAWN = "default", "drawn at random"


def resolve(sources: Sources, *, draw_seed: Callable[[], int] = lambda: secrets.randbelow(MAX_SEED + 1)) -> Settings:
    """The value of every setting, from the strongest source that names it.

    Command line, then environment, then pytest's configuration, then the matrix's selections that are run, then its
    `[defaults]`, then the table's default. `draw_seed` gives a seed if nobody did; processes that share a campaign
    must be given one. Raises ConfigError, which names the place and the mend. Whether devices, images and methods
    exist is checked by `harness.config.cells.expand`, which knows them.
    """
    layers = [_command_line(sources), _environment(sources), _ini(sources)]
    matrix = _first(layers, "matrix")
    path = parse(BY_NAME["matrix"], matrix) if matrix else BY_NAME["matrix"].default
    overrides: tuple[Override, ...] = ()
    if matrix or Path(str(path)).is_file():
        overrides = _matrix_layers(Path(str(path)), layers, sources.folder)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for definition in SETTINGS:
        given = _first(layers, definition.name)
        value = parse(definition, given) if given else definition.default
        origins[definition.name] = given.origin if given else DEFAULT
        if definition.name == "seed" and value is None:
            value, origins["seed"] = draw_seed(), DRAWN
        if isinstance(value, Path) and not value.is_absolute():
            value = sources.folder / value
        values[definition.name] = value
    if values["stop"] != "fixed" and origins["blocks"] == DEFAULT:
        limited = time_limit(values["stop"]) is not None
        values["blocks"], origins["blocks"] = MAX_BLOCKS if limited else MOST_BLOCKS, f"most for STOP={values['stop']}"
    return Settings(**values, origins=origins, overrides=overrides)


def _matrix_layers(path: Path, layers: list[dict[str, Given]], folder: Path) -> tuple[Override, ...]:
    """Add the matrix's settings to the layers, the weakest; and what it sets for single cells."""
    stronger = frozenset(name for layer in layers for name in layer)
    shown = shorten(path, folder)
    defaults = read_defaults(path, shown=shown)
    reader = TableReader(shown, *read_toml(path, shown=shown))
    select = _first(layers, "select")
    names = parse(BY_NAME["select"], select) if select else ("default",)
    layers += [selection_settings(reader, names, folder=path.parent, decided=stronger), defaults]  # type: ignore[arg-type]
    return tuple(override.without(stronger) for override in read_overrides(reader, folder=path.parent))


def read_defaults(path: Path, *, shown: Path) -> dict[str, Given]:
    """The `[defaults]` of a matrix file. Raises ConfigError with the line of an unknown or misplaced key."""
    text, table = read_toml(path, shown=shown, mend="name the file that says which cells exist: MATRIX=PATH")
    defaults = table.get("defaults", {})
    if not isinstance(defaults, dict):
        raise ConfigError("must be a table", file=shown, line=line_of(text, ("defaults",)), key="defaults")
    found = {}
    for name, raw in defaults.items():
        line, key = line_of(text, ("defaults", name)), f"defaults.{name}"
        definition = BY_NAME.get(name)
        if definition is None:
            raise ConfigError(unknown(name, "setting", BY_NAME), file=shown, line=line, key=key)
        if definition.dimension or name in {"matrix", "select"}:
            mend = "say in [select.default] which cells run when none is named"
            raise ConfigError("cannot have its default here", file=shown, line=line, key=key, mend=mend)
        found[name] = Given(
            raw=raw, origin=f"{shown}:{line}", folder=path.parent, file=shown, line=line, key=key, typed=True
        )
    return found


def shorten(path: Path, folder: Path) -> Path:
    """How messages call `path`: relative to `folder` or to this project if it lies within."""
    for base in (folder, PROJECT):
        if path.is_relative_to(base):
            return path.relative_to(base)
    return path


def _command_line(sources: Sources) -> dict[str, Given]:
    return {
        name: Given(
            raw=raw,
            origin=f"command line {sources.prefix}{name.replace('_', '-')}",
            folder=sources.folder,
        )
        for name, raw in sources.command_line.items()
        if raw is not None
    }


def _environment(sources: Sources) -> dict[str, Given]:
    """Variables that are set to nothing count as not set, as shells and make have it."""
    variables = {definition.variable: definition.name for definition in SETTINGS}
    found = {}
    for variable, raw in sources.environment.items():
        if not variable.startswith(PREFIX) or raw == "":
            continue
        if variable not in variables:
            problem = unknown(variable, "environment variable", variables)
            raise ConfigError(problem, mend=f"correct it, or unset it: unset {variable}")
        found[variables[variable]] = Given(raw=raw, origin=f"environment {variable}", folder=sources.folder)
    return found


def _ini(sources: Sources) -> dict[str, Given]:
    file = sources.ini_file
    given = {name: raw for name, raw in sources.ini.items() if raw is not None}
    if file is None:
        # pytest's own option: -o kexec_blocks=3
        origin = "pytest configuration"
        return {name: Given(raw=raw, origin=origin, folder=sources.folder) for name, raw in given.items()}
    shown = shorten(file, sources.folder)
    return {
        name: Given(
            raw=raw,
            origin=str(shown),
            folder=file.parent,
            file=shown,
            line=_ini_line(file, BY_NAME[name].key),
            key=BY_NAME[name].key,
        )
        for name, raw in given.items()
    }


def _ini_line(file: Path, key: str) -> int | None:
    """Where pytest's configuration sets `key`; None in a file that is not TOML."""
    if file.suffix != ".toml":
        return None
    text, _ = read_toml(file)
    tables = (("tool", "pytest"), ("tool", "pytest", "ini_options"), ("pytest",))
    return next((line for table in tables if (line := line_of(text, (*table, key)))), None)


def _first(layers: list[dict[str, Given]], name: str) -> Given | None:
    return next((layer[name] for layer in layers if name in layer), None)


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path | Shard) else value
