"""kexec-harness merge: the parts of a matrix that several machines ran, as one run."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import CHECK_FAILED, as_json, print_json, say
from harness.cli.report import print_summary, write_run_reports
from harness.merging import find_runs, merge, missing_shards

NAME = "merge"


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@as_json
def merge_runs(out: Path, runs: tuple[Path, ...], as_json: bool) -> int:
    """Join the runs RUN..., or the runs right below these folders, into one new run in folder OUT.

    Refuses with 4 what does not belong together. Ends with 1 if a shard is missing: its cells are in no report.
    """
    info = merge(out, find_runs(runs))
    report = write_run_reports(out)
    missing = missing_shards(info)
    if as_json:
        print_json(
            [{"run": str(out), "parts": info.parts, "cells": [cell.cell_id for cell in info.cells], "missing": missing}]
        )
    else:
        print_summary(report)
    for part in info.parts:
        if part.ended_at is None:
            say(f"run {part.run_id} was not ended: its last cell may be incomplete")
    if missing:
        say(f"missing: shard {', '.join(missing)}; its cells are in no report")
    return CHECK_FAILED if missing else 0


COMMAND = merge_runs
