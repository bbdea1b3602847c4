"""`kexec-harness compare A B`: has the second run become worse? For two builds, kernels, releases, or a baseline."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import CHECK_FAILED, as_json, print_json, with_settings
from harness.config import Settings
from harness.errors import ConfigError
from harness.model import Cell, CycleRow
from harness.report.text import visible
from harness.stats.runs import Finding, Side, compare_runs, mismatches, remarks
from harness.store import read_large_run

NAME = "compare"


@click.command()
@click.argument("before", metavar="A", type=click.Path(path_type=Path))
@click.argument("after", metavar="B", type=click.Path(path_type=Path))
@click.option("--across", type=click.Choice(Cell.__struct_fields__), help="the dimension that differs, e.g. kernel")
@click.option("--anyway", is_flag=True, help="compare what is no fair comparison; the result says so")
@click.option("--allow-new-classes", is_flag=True, help="show new failure classes, and do not fail for them")
@with_settings("margin", "max_slowdown")
@as_json
def compare(
    *,
    settings: Settings,
    before: Path,
    after: Path,
    across: str | None,
    anyway: bool,
    allow_new_classes: bool,
    as_json: bool,
) -> int:
    """Hold run B against run A: failure rates, times, failure classes. A and B are folders of runs.

    A baseline is a run's folder that was kept: run.json and cells/*/cycles.jsonl are enough.
    Ends with 0 if B is not shown to be worse, with 1 if it is, with 4 if the two cannot be compared.
    """
    sides = (_read(before), _read(after))
    unfair = mismatches(*sides, across)
    if unfair and not anyway:
        mend = "give --anyway to compare them all the same, or --across image for two images"
        raise ConfigError("these runs cannot be compared: " + "; ".join(unfair), mend=mend)
    try:
        findings = compare_runs(
            *sides,
            across=across,
            margin=settings.margin,
            max_slowdown=settings.max_slowdown,
            new_classes_fail=not allow_new_classes,
        )
    except ValueError as error:
        raise ConfigError(str(error), key="--across", mend="compare runs of one cell for each of the others") from error
    if not any(finding.is_of_both for finding in findings):
        raise ConfigError("no cell and method is in both runs", mend="name the dimension that differs: --across")
    notes = [f"compared anyway: {problem}" for problem in unfair] + remarks(*sides)
    if as_json:
        print_json([{"record": "note", "sentence": note} for note in notes])
        print_json([{"record": "finding", **_fields(finding)} for finding in findings])
    else:
        _show(sides, notes, findings)
    return CHECK_FAILED if any(finding.fails for finding in findings) else 0


def _read(folder: Path) -> Side:
    if not folder.is_dir():
        raise ConfigError("no such folder", file=folder, mend="name the folder of a run, such as results/latest")
    run, cells = read_large_run(folder)
    return Side(run, [record for cell in cells for record in cell.records if isinstance(record, CycleRow)])


def _fields(finding: Finding) -> dict[str, object]:
    return {name: getattr(finding, name) for name in finding.__struct_fields__}


def _show(sides: tuple[Side, Side], notes: list[str], findings: list[Finding]) -> None:
    for name, side in zip("AB", sides, strict=True):
        click.echo(f"{name}: run {visible(side.run.run_id)}, started {visible(side.run.started_at)}")
    for note in notes:
        click.echo(f"note: {visible(note)}")
    cell = None
    for finding in sorted(findings, key=lambda finding: finding.cell):
        if finding.cell != cell:
            cell = finding.cell
            click.echo(f"\n{visible(cell)}")
        click.echo(f"  {'FAIL' if finding.fails else '    '}  {visible(finding.sentence)}")
    failed = sum(finding.fails for finding in findings)
    click.echo(f"\nB is worse in {failed} of {len(findings)} findings" if failed else "\nB is not shown to be worse")


COMMAND = compare
