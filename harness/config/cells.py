"""From the matrix and what was asked for to the cells of a run, with the ones left out and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from msgspec import Struct

from harness.config.matrix import Matrix
from harness.config.rows import fits
from harness.config.settings import Settings
from harness.config.shards import assign
from harness.config.table import DIMENSIONS, MACHINES
from harness.errors import ConfigError
from harness.model import Cell, Firmware, Loader, is_disk_file, is_kernel_file, kernel_choice
from harness.model.architectures import ARCHITECTURES
from harness.registry import unknown

#: dimension -> its names
Choice = Mapping[str, tuple[str, ...]]
#: what messages call a name of each dimension
KINDS = {"device": "device set", "machine": "machine type"}
#: why `direct` cannot go from one kernel to another
ONE_KERNEL = "QEMU's -kernel is one kernel for as long as a machine runs: no cold reboot leads to another"
#: between the names of device sets that one machine has
TOGETHER = "+"


class Known(Struct, frozen=True, kw_only=True):
    """The names that exist, of everything that a cell or a run can name."""

    image: tuple[str, ...]
    device: tuple[str, ...]
    methods: tuple[str, ...]
    faults: tuple[str, ...] = ()
    firmware: tuple[str, ...] = tuple(Firmware)
    loader: tuple[str, ...] = tuple(Loader)
    machine: tuple[str, ...] = MACHINES


class Excluded(Struct, frozen=True):
    """A cell that was asked for and is not run. `place` is the row's, e.g. `scenarios/matrix.toml:31`."""

    cell: Cell
    reason: str
    place: str


class Expansion(Struct, frozen=True):
    """The cells to run, in the order of the axes, each once; and those left out."""

    cells: tuple[Cell, ...]
    excluded: tuple[Excluded, ...] = ()
    #: how many cells all shards have together
    of_all_shards: int = 0


def expand(matrix: Matrix, settings: Settings, known: Known) -> Expansion:
    """The cells that `settings` ask for.

    They are those of the selections named, or of `default`; of a shard, its part of them. A dimension that was named
    (`DEVICE=nvme,ahci`) takes the place of the selection's. Raises ConfigError, with its place, for a name that does
    not exist, in the settings or anywhere in the matrix, and if no cell is left.
    """
    check_names(matrix, settings, known)
    _check_own_kernel(settings)
    given = {name: getattr(settings, name) for name in DIMENSIONS if getattr(settings, name)}
    found: dict[Cell, None] = {}
    for name in settings.select or ("default",):
        if name not in matrix.select:
            raise settings.error("select", unknown(name, "selection", matrix.select))
        found.update(dict.fromkeys(_cells(matrix, {**matrix.select[name].named(), **given})))
    expansion = _without_excluded(matrix, list(found))
    _check_cell_ids(expansion.cells)
    if not expansion.cells:
        reasons = "\n  ".join(f"{left.cell.cell_id}: {left.reason} ({left.place})" for left in expansion.excluded)
        raise ConfigError(f"no cell is left to run\n  {reasons}")
    return _shard(expansion, settings)


def _check_own_kernel(settings: Settings) -> None:
    files = [name for name in settings.kernel if is_kernel_file(name)]
    if len(files) > 1:
        raise settings.error("kernel", f"{' and '.join(files)} are files: a run has one kernel of its own at most")
    for name in ("modules", "initrd"):
        if getattr(settings, name) is not None and not files:
            raise settings.error(name, "belongs to a KERNEL that is a file, and there is none")


def _check_cell_ids(cells: Sequence[Cell]) -> None:
    """Disk images in different folders may have the same name. Raises ConfigError."""
    known: dict[str, Cell] = {}
    for cell in cells:
        other = known.setdefault(cell.cell_id, cell)
        if other != cell:
            problem = f"{other.image} and {cell.image} would both be {cell.cell_id} in the results"
            raise ConfigError(problem, key="image", mend="give one of the files another name")


def cost(settings: Settings) -> float:
    """Seconds that a cell with these settings takes, by its settings alone: one boot, and every cycle."""
    return settings.cycle_seconds * (1 + settings.blocks * len(settings.methods))


def _shard(expansion: Expansion, settings: Settings) -> Expansion:
    shard, number = settings.shard, len(expansion.cells)
    if shard is None:
        return Expansion(expansion.cells, expansion.excluded, number)
    if shard.of > number:
        cells = f"{number} cell{'s' if number > 1 else ''}"
        raise settings.error("shard", f"{shard}: there are only {cells}", mend=f"have {number} shards at most")
    found = assign({cell.cell_id: cost(settings.for_cell(cell)) for cell in expansion.cells}, shard.of)
    mine = tuple(cell for cell in expansion.cells if found[cell.cell_id] == shard.number)
    return Expansion(mine, expansion.excluded, number)


def every_cell(matrix: Matrix, known: Known) -> Expansion:
    """All that could run here: the matrix's axes and rows, and every device set and image that exists."""
    cells = dict.fromkeys(_cells(matrix, {}))
    whole = {
        **matrix.axes.named(),
        "image": known.image,
        "device": known.device,
        "loader": known.loader,
        "machine": known.machine,
    }
    cells.update(dict.fromkeys(_product(whole)))
    return _without_excluded(matrix, list(cells))


def selections_with(matrix: Matrix, cell: Cell) -> list[str]:
    """Names of the selections that run `cell`."""
    if _without_excluded(matrix, [cell]).excluded:
        return []
    return [name for name, row in matrix.select.items() if cell in _cells(matrix, row.named())]


def check_names(matrix: Matrix, settings: Settings, known: Known) -> None:
    """Raises ConfigError, with its place, for the first name that does not exist."""
    for name in settings.methods:
        if name not in known.methods:
            raise settings.error("methods", unknown(name, "method", known.methods))
    if settings.fault is not None and settings.fault not in known.faults:
        raise settings.error("fault", unknown(settings.fault, "fault", known.faults))
    for dimension in DIMENSIONS:
        for name in getattr(settings, dimension):
            if problem := _problem(dimension, name, known):
                raise settings.error(dimension, problem)
        for path, row in matrix.rows():
            for number, name in enumerate(row.named().get(dimension, ())):
                if problem := _problem(dimension, name, known):
                    # A single name is no item of a list, and has the line of its key.
                    line = matrix.line(*path, dimension, number) or matrix.line(*path, dimension)
                    raise ConfigError(problem, file=matrix.file, line=line, key=f"{path[0]}.{dimension}")


def _problem(dimension: str, name: str, known: Known) -> str | None:
    """What is wrong with a name, if anything is. Which kernels an image has is known when it is built, and what a disk
    image is when it is opened.

    A machine may have several device sets, as `nvme+e1000e`.
    """
    if dimension == "image" and is_disk_file(name):
        return None
    if dimension == "kernel":
        try:
            kernel_choice(name)
        except ValueError as error:
            return str(error)
        return None
    names = getattr(known, dimension)
    parts = name.split(TOGETHER) if dimension == "device" else [name]
    wrong = next((part for part in parts if part not in names), None)
    if wrong is None:
        return None
    boards = [board for arch in ARCHITECTURES.values() for board in arch.machines] if dimension == "machine" else []
    called = next((f"; QEMU's {wrong} is called {board.name} here" for board in boards if board.qemu == wrong), "")
    return unknown(wrong, KINDS.get(dimension, dimension), names) + called


def _cells(matrix: Matrix, narrowed: Choice) -> Iterator[Cell]:
    """The product of the axes, narrowed, and every included cell that the narrowing does not rule out."""
    axes = matrix.axes.named()
    yield from _product({**axes, **narrowed})
    first = {dimension: names[:1] for dimension, names in axes.items()}
    for row in matrix.include:
        for cell in _product({**first, **row.named()}):
            if fits(cell, narrowed):
                yield cell


def _product(choice: Choice) -> Iterator[Cell]:
    # Images vary slowest: their disks are built one after the other, as they are needed.
    order = ("image", *(dimension for dimension in DIMENSIONS if dimension != "image"))
    for names in product(*(choice[dimension] for dimension in order)):
        values = dict(zip(order, names, strict=True))
        yield Cell(
            image=values["image"],
            device_set=values["device"],
            firmware=Firmware(values["firmware"]),
            loader=Loader(values["loader"]),
            kernel=values["kernel"],
            machine=values["machine"],
        )


def _without_excluded(matrix: Matrix, cells: Sequence[Cell]) -> Expansion:
    kept, excluded = [], []
    for cell in cells:
        number = next((n for n, row in enumerate(matrix.exclude) if row.fits(cell)), None)
        choice = kernel_choice(cell.kernel)
        if cell.loader is Loader.DIRECT and choice is not None and choice.outgoing != choice.incoming:
            excluded.append(Excluded(cell, ONE_KERNEL, "the same under every matrix"))
        elif number is None:
            kept.append(cell)
        else:
            place = f"{matrix.file}:{matrix.line('exclude', number)}"
            excluded.append(Excluded(cell, matrix.exclude[number].reason, place))
    return Expansion(tuple(kept), tuple(excluded))
