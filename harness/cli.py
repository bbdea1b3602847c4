"""kexec-harness on the command line: what this host can do, which images and cells there are, reports once more.

Machines are run by pytest (`make soak`). With `--json` a command prints JSON Lines, an object per thing.
Exit codes are like pytest's: 0 fine, 1 a check failed, 3 trouble of this host, 4 a wrong setting; 130 after Ctrl-C.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from harness import host, images
from harness.classify.log import judge_log, log_signatures
from harness.config import SETTINGS, Known, Settings, Sources, every_cell, expand, read_matrix, resolve, selections_with
from harness.config.table import DIMENSIONS
from harness.errors import ConfigError, HarnessError, StoreError
from harness.images.probe_kit import ensure_probe_kit
from harness.lab import DirectBoot, device_sets, machine_spec, methods
from harness.model import Accel, BootPath, Cell, Firmware, Loader, Outcome, RunInfo
from harness.qemu.argv import MachineSpec, build, flatten, to_text
from harness.registry import lookup
from harness.report import terminal
from harness.report.log_verdict import log_line, log_object, pieces_of
from harness.report.summarise import summarise
from harness.report.write import write_reports
from harness.stats.compare import MARGIN
from harness.store import read_run

CHECK_FAILED, USAGE, INTERRUPTED = 1, 4, 130
MAX_WIDTH = 120

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def main() -> None:
    """Run the command line of this process and end it."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Carry out one command line; its exit status. Errors go to stderr as messages, never as tracebacks."""
    try:
        # Not cli.main: it gives a broken pipe the status of a failed check.
        with cli.make_context("kexec-harness", list(arguments)) as context:
            status = cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return USAGE
    except HarnessError as error:
        click.echo(f"kexec-harness: {error}", err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("kexec-harness: interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has had enough. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status if isinstance(status, int) else 0


def with_settings(*names: str) -> Callable[[CommandT], CommandT]:
    """Gives a command the options of these settings, and `settings`, resolved from them and the environment."""

    def decorate(command: CommandT) -> CommandT:
        @functools.wraps(command)
        def resolved(**values: Any) -> Any:
            given = {name: values.pop(name) for name in names}
            sources = Sources(command_line=given, environment=os.environ, folder=Path.cwd(), prefix="--")
            return command(settings=resolve(sources), **values)

        for setting in reversed([setting for setting in SETTINGS if setting.name in names]):
            flag = f"--{setting.name.replace('_', '-')}"
            resolved = click.option(flag, setting.name, help=setting.help, metavar="TEXT")(resolved)
        return resolved  # type: ignore[return-value]

    return decorate


as_json = click.option("--json", "as_json", is_flag=True, help="print JSON Lines, one object per thing")


def print_json(things: Iterable[object]) -> None:
    """One JSON object per line."""
    for thing in things:
        click.echo(msgspec.json.encode(thing, enc_hook=str))


def say(line: str) -> None:
    """Progress, beside the output proper."""
    click.echo(line, err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kexec-harness", prog_name="kexec-harness")
def cli() -> None:
    """Reliability testing of reboots by kexec. Machines are run with `make soak` or pytest."""


# ---- doctor -------------------------------------------------------------------------------------------------


@cli.command()
@with_settings("accel", "qemu", "mirror", "results", "cache_dir")
@as_json
def doctor(settings: Settings, as_json: bool) -> int:
    """What this host can do, and what follows. Ends with 1 if something that is needed does not work."""

    def probe_kit() -> tuple[Path, Path]:
        kit = ensure_probe_kit(settings.cache_dir, settings.mirror, say)
        return kit.kernel, kit.initrd

    findings = host.doctor(
        cache_dir=settings.cache_dir,
        results_dir=settings.results,
        probe_kit=probe_kit,
        accel=settings.accel,
        qemu_binary=settings.qemu,
        mirror=settings.mirror,
    )
    if as_json:
        print_json(findings)
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            click.echo(f"{finding.status.value:4}  {finding.name:{width}}  {finding.value}")
            click.echo(f"{'':{width + 8}}{finding.consequence}")
    return CHECK_FAILED if any(finding.status is host.Status.FAIL for finding in findings) else 0


# ---- images -------------------------------------------------------------------------------------------------


@cli.group("images")
def images_group() -> None:
    """Images: which there are, and building them."""


@images_group.command("list")
@with_settings("images_dir")
@as_json
def images_list(settings: Settings, as_json: bool) -> None:
    """Every image that there is a recipe for."""
    recipes = images.recipes(settings.images_dir)
    if as_json:
        print_json(recipes.values())
        return
    for recipe in recipes.values():
        click.echo(f"{recipe.name:16}  {recipe.distro} {recipe.release}, {recipe.arch}, {recipe.init}")


@images_group.command("build")
@click.argument("names", nargs=-1)
@with_settings("mirror", "images_dir", "cache_dir")
@as_json
def images_build(settings: Settings, names: tuple[str, ...], as_json: bool) -> None:
    """Build the images NAMES that are not built yet; all of them if none is named."""
    recipes = images.recipes(settings.images_dir)
    chosen = [lookup(recipes, name, "image") for name in names] or list(recipes.values())
    for recipe in chosen:
        image = images.ensure(
            recipe,
            images_dir=settings.images_dir,
            cache_dir=settings.cache_dir,
            mirror=settings.mirror,
            progress=say,
        )
        if as_json:
            print_json([image])
        else:
            click.echo(f"{image.name:16}  {image.kernel_release}  {image.disk}")


# ---- matrix -------------------------------------------------------------------------------------------------


@cli.group("matrix")
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


def known_names(settings: Settings) -> Known:
    """Every image, device set and method that exists here."""
    return Known(
        image=tuple(images.recipes(settings.images_dir)), device=tuple(device_sets()), methods=tuple(methods())
    )


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


# ---- report -------------------------------------------------------------------------------------------------


@cli.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
def report(run_dir: Path) -> None:
    """Derive every report of RUN_DIR once more from its records, and print the summary."""
    if not run_dir.is_dir():
        raise ConfigError("no such folder", file=run_dir, mend="name the folder of a run, such as results/latest")
    info, records = read_run(run_dir)
    result = summarise(info, records, margin=recorded_margin(info))
    write_reports(result, run_dir)
    width = min(shutil.get_terminal_size((terminal.WIDTH, 24)).columns, MAX_WIDTH)
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    click.echo(terminal.render(result, width, colour=colour), nl=False)


def recorded_margin(info: RunInfo) -> float:
    """The margin that the run was judged with. Raises StoreError if run.json has something else in its place."""
    setting = info.settings.get("margin")
    if setting is None:
        return MARGIN
    try:
        return msgspec.convert(setting.value, float)
    except msgspec.ValidationError as error:
        raise StoreError(f"run.json: settings.margin: {error}") from error


# ---- classify -----------------------------------------------------------------------------------------------


@cli.command()
@click.argument("logs", nargs=-1, required=True, metavar="LOG...", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--expect", type=click.Choice(["kexec", "firmware"]), help="the path that its reboots were to take")
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    type=click.Path(path_type=Path),
    help="a log whose warnings are known; without one, warnings do not count",
)
@as_json
def classify(logs: tuple[Path, ...], expect: str | None, baselines: tuple[Path, ...], as_json: bool) -> int:
    """Judge console logs from anywhere, such as a server's serial console; `-` is standard input.

    Ends with 0 if all of them passed, with 1 if one failed, with 3 if one could not be read.
    """
    known = frozenset().union(*(log_signatures(pieces_of(path)) for path in baselines)) if baselines else None
    status = 0
    for path in logs:
        try:
            judged = judge_log(pieces_of(path), expected=BootPath(expect) if expect else None, baseline=known)
        except StoreError as error:
            click.echo(f"kexec-harness: {error}", err=True)
            status = error.exit_code
            continue
        if judged.verdict.outcome is not Outcome.PASS:
            status = max(status, CHECK_FAILED)
        if as_json:
            print_json([log_object(path, judged)])
        else:
            click.echo(log_line(path, judged))
    return status
