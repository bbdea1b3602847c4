"""kexec-harness matrix: which cells there are, and what they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from harness import images
from harness.campaign.ci_matrix import FORMATS, MAX_HOURS, MAX_JOBS, jobs
from harness.campaign.cost import Estimate, History
from harness.campaign.session import host_facts
from harness.cli.options import as_json, print_json, say, with_settings
from harness.clock import HostClock
from harness.config import Settings, every_cell, expand, read_matrix, selections_with
from harness.config.cells import cost
from harness.config.table import DIMENSIONS
from harness.errors import InfraError
from harness.lab import DirectBoot, Lab, known_names, machine_spec, recipe_of
from harness.model import Accel, Cell, Firmware, Loader
from harness.model.architectures import ARCHITECTURES
from harness.qemu.argv import MachineSpec, build, flatten, to_text
from harness.registry import lookup

NAME = "matrix"

#: settings that decide what a cell takes
COSTING = ("methods", "blocks", "cycle_seconds")


@click.group()
def matrix_group() -> None:
    """Cells: which combinations of image, device set, firmware, loader and kernel there are."""


@matrix_group.command("list")
@with_settings(*DIMENSIONS, *COSTING, "select", "shard", "matrix", "images_dir", "results", "qemu")
@as_json
def matrix_list(settings: Settings, as_json: bool) -> None:
    """The cells that `make soak` with the same settings would run, what they take, and those it would leave out.

    Where QEMU is installed, it is asked whether it has the devices; a cell that it cannot do would be skipped.
    """
    expansion = expand(read_matrix(settings.matrix), settings, known_names(settings))
    for left in expansion.excluded:
        say(f"not run: {left.cell.cell_id}: {left.reason} ({left.place})")
    history = History.read(settings.results, host_facts())
    skipped = _why_skipped(expansion.cells, settings)
    for cell_id, reason in skipped.items():
        say(f"skipped: {cell_id}: {reason}")
    cells = [cell for cell in expansion.cells if as_json or cell.cell_id not in skipped]
    found = [(cell, history.estimate(cell, settings.for_cell(cell))) for cell in cells]
    if as_json:
        print_json(
            {
                **cell_object(cell),
                **cost_object(cell, settings, estimate),
                **({"skipped": skipped[cell.cell_id]} if cell.cell_id in skipped else {}),
            }
            for cell, estimate in found
        )
        return
    width = max((len(cell.cell_id) for cell in cells), default=0)
    for cell, estimate in found:
        click.echo(f"{cell.cell_id:{width}}  {cost_text(cell, settings, estimate)}")
    say(total_text([estimate for _, estimate in found], history, expansion.of_all_shards))


@matrix_group.command("show")
@click.argument("cell_id", metavar="CELL")
@with_settings("accel", "memory", "smp", *COSTING, "select", "matrix", "images_dir", "results")
@as_json
def matrix_show(settings: Settings, cell_id: str, as_json: bool) -> None:
    """One cell and QEMU's command line for it. Paths in it are examples: every machine has a folder of its own."""
    matrix = read_matrix(settings.matrix)
    expansion = every_cell(matrix, known_names(settings))
    reasons = {left.cell: f"{left.reason} ({left.place})" for left in expansion.excluded}
    cell = lookup({cell.cell_id: cell for cell in (*expansion.cells, *reasons)}, cell_id, "cell")
    details = {**cell_object(cell), "excluded": reasons.get(cell), "selections": selections_with(matrix, cell)}
    mine = settings.for_cell(cell)
    own = mine.records_beside(settings)
    estimate = History.read(settings.results, host_facts()).estimate(cell, mine)
    options = build(example_spec(cell, mine))
    if as_json:
        print_json(
            [{**details, "own_settings": own, **cost_object(cell, settings, estimate), "argv": flatten(options)}]
        )
        return
    for key, value in details.items():
        click.echo(f"{key}: {', '.join(value) if isinstance(value, list) else value or 'no'}")
    for name, setting in own.items():
        click.echo(f"{name}: {setting.value} ({setting.origin})")
    click.echo(f"cost: {cost_text(cell, settings, estimate)}")
    click.echo()
    click.echo(to_text(options), nl=False)


@matrix_group.command("ci")
@click.option("--format", "system", type=click.Choice(sorted(FORMATS)), required=True, help="whose JSON")
@click.option("--max-jobs", type=click.IntRange(min=1), help="most jobs; unless given, as many as the system allows")
@with_settings(*DIMENSIONS, *COSTING, "select", "matrix", "images_dir", "results")
def matrix_ci(settings: Settings, system: str, max_jobs: int | None) -> None:
    """The cells as jobs of a CI system: one per shard, one line of JSON. docs/ci.md has whole pipelines.

    A job runs `make matrix SHARD=...` with the same settings; cells share jobs where the system's limits demand it.
    """
    if max_jobs is not None and max_jobs > MAX_JOBS[system]:
        raise click.BadParameter(f"{system} allows {MAX_JOBS[system]} at most", param_hint="--max-jobs")
    expansion = expand(read_matrix(settings.matrix), settings, known_names(settings))
    history = History.read(settings.results, host_facts())
    cells = {cell.cell_id: (cell, settings.for_cell(cell)) for cell in expansion.cells}
    found = jobs(
        {cell_id: cost(mine) for cell_id, (_, mine) in cells.items()},
        {cell_id: history.estimate(cell, mine).seconds for cell_id, (cell, mine) in cells.items()},
        max_jobs or MAX_JOBS[system],
    )
    print_json([FORMATS[system](found)])
    say(f"{len(cells)} cells in {len(found)} jobs; the longest takes {max(job.hours for job in found):.2g} h here")
    for job in found:
        if job.hours > MAX_HOURS.get(system, job.hours):
            say(f"shard {job.shard} takes {job.hours:.2g} h, {system}'s own runners stop after {MAX_HOURS[system]:g} h")


def _why_skipped(cells: Sequence[Cell], settings: Settings) -> dict[str, str]:
    """Cell id -> what this host's QEMU lacks for it; nothing where there is no QEMU to be asked."""
    lab = Lab(settings, HostClock(), say)
    try:
        reasons = {cell.cell_id: lab.why_unsupported(cell) for cell in cells}
    except InfraError as error:
        say(f"QEMU could not be asked which devices it has: {str(error).splitlines()[0]}")
        return {}
    return {cell_id: reason for cell_id, reason in reasons.items() if reason is not None}


def cost_object(cell: Cell, settings: Settings, estimate: Estimate) -> dict[str, Any]:
    """An estimate as JSON has it."""
    return {
        "blocks": settings.for_cell(cell).blocks,
        "estimated_hours": round(estimate.hours, 4),
        "cycle_seconds": estimate.cycle_seconds,
        "seconds_from": estimate.seconds_from,
    }


def cost_text(cell: Cell, settings: Settings, estimate: Estimate) -> str:
    """An estimate for people: what it is, and what it comes from."""
    blocks = settings.for_cell(cell).blocks
    arms = ", ".join(
        f"{method} {seconds:.0f} s ({estimate.seconds_from[method]})"
        for method, seconds in estimate.cycle_seconds.items()
    )
    return f"{blocks} block{'' if blocks == 1 else 's'}, {estimate.hours:.2f} h: {arms}"


def total_text(estimates: Sequence[Estimate], history: History, of_all_shards: int) -> str:
    """What all of them take, and how much that is worth."""
    cells = f"{len(estimates)} cell{'' if len(estimates) == 1 else 's'}"
    if of_all_shards > len(estimates):
        cells += f" of {of_all_shards}"
    total = sum(estimate.hours for estimate in estimates)
    runs = f"{history.runs} run{'' if history.runs == 1 else 's'}"
    known = (
        f"times from {runs} on this host" if history.runs else "times are the default CYCLE_SECONDS, no run is known"
    )
    return f"{cells}, {total:.2f} h one after the other, without building images; {known}"


def cell_object(cell: Cell) -> dict[str, Any]:
    """A cell as JSON has it: its id, and a key per dimension."""
    return {"cell_id": cell.cell_id, **msgspec.to_builtins(cell)}


def example_spec(cell: Cell, settings: Settings) -> MachineSpec:
    """What a machine of this cell is made of, with example paths: nothing of this host is looked at."""
    folder = Path("/run/kexec-harness")
    recipe = recipe_of(settings, cell.image)
    # What a disk of the user's own is started with is known once it has been prepared.
    command_line = recipe.command_line if isinstance(recipe, images.Recipe) else "..."
    return machine_spec(
        cell,
        settings,
        folder=folder,
        accel=Accel.KVM if settings.accel == "kvm" else Accel.TCG,
        ovmf_code=_EXAMPLE_OVMF.get(cell.firmware),
        seabios=_example_seabios(cell),
        direct_boot=DirectBoot(folder / "vmlinuz", folder / "initrd.img", command_line)
        if cell.loader is Loader.DIRECT
        else None,
    )


_EXAMPLE_OVMF = {
    Firmware.OVMF: Path("/usr/share/OVMF/OVMF_CODE.fd"),
    Firmware.OVMF_SECBOOT: Path("/usr/share/OVMF/OVMF_CODE.secboot.fd"),
}


def _example_seabios(cell: Cell) -> Path | None:
    board = ARCHITECTURES[cell.arch].machine(cell.machine)
    files = board.seabios if board and cell.firmware is Firmware.SEABIOS else ()
    return Path(files[0]) if files else None


COMMAND = matrix_group
