"""kexec-harness matrix: which cells there are, and what they are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from harness import images
from harness.cli.options import as_json, print_json, say, with_settings
from harness.config import Settings, every_cell, expand, read_matrix, selections_with
from harness.config.table import DIMENSIONS
from harness.lab import DirectBoot, known_names, machine_spec
from harness.model import Accel, Cell, Firmware, Loader
from harness.qemu.argv import MachineSpec, build, flatten, to_text
from harness.registry import lookup

NAME = "matrix"


@click.group()
def matrix_group() -> None:
    """Cells: which combinations of image, device set, firmware, loader and kernel there are."""


@matrix_group.command("list")
@with_settings(*DIMENSIONS, "select", "matrix", "images_dir")
@as_json
def matrix_list(settings: Settings, as_json: bool) -> None:
    """The cells that `make soak` with the same settings would run, and those it would leave out."""
    expansion = expand(read_matrix(settings.matrix), settings, known_names(settings))
    for left in expansion.excluded:
        say(f"not run: {left.cell.cell_id}: {left.reason} ({left.place})")
    if as_json:
        print_json(cell_object(cell) for cell in expansion.cells)
        return
    for cell in expansion.cells:
        click.echo(cell.cell_id)


@matrix_group.command("show")
@click.argument("cell_id", metavar="CELL")
@with_settings("accel", "memory", "smp", "matrix", "images_dir")
@as_json
def matrix_show(settings: Settings, cell_id: str, as_json: bool) -> None:
    """One cell and QEMU's command line for it. Paths in it are examples: every machine has a folder of its own."""
    matrix = read_matrix(settings.matrix)
    expansion = every_cell(matrix, known_names(settings))
    reasons = {left.cell: f"{left.reason} ({left.place})" for left in expansion.excluded}
    cell = lookup({cell.cell_id: cell for cell in (*expansion.cells, *reasons)}, cell_id, "cell")
    details = {**cell_object(cell), "excluded": reasons.get(cell), "selections": selections_with(matrix, cell)}
    options = build(example_spec(cell, settings))
    if as_json:
        print_json([{**details, "argv": flatten(options)}])
        return
    for key, value in details.items():
        click.echo(f"{key}: {', '.join(value) if isinstance(value, list) else value or 'no'}")
    click.echo()
    click.echo(to_text(options), nl=False)


def cell_object(cell: Cell) -> dict[str, Any]:
    """A cell as JSON has it: its id, and a key per dimension."""
    return {"cell_id": cell.cell_id, **msgspec.to_builtins(cell)}


def example_spec(cell: Cell, settings: Settings) -> MachineSpec:
    """What a machine of this cell is made of, with example paths: nothing of this host is looked at."""
    folder = Path("/run/kexec-harness")
    command_line = images.load_recipe(settings.images_dir, cell.image).command_line
    return machine_spec(
        cell,
        settings,
        folder=folder,
        accel=Accel.KVM if settings.accel == "kvm" else Accel.TCG,
        ovmf_code=Path("/usr/share/OVMF/OVMF_CODE.fd") if cell.firmware is Firmware.OVMF else None,
        direct_boot=DirectBoot(folder / "vmlinuz", folder / "initrd.img", command_line)
        if cell.loader is Loader.DIRECT
        else None,
    )


COMMAND = matrix_group
