"""kexec-harness report: a run's reports once more, from its records."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click
import msgspec

from harness.cli.options import with_settings
from harness.config import Settings
from harness.errors import ConfigError, StoreError
from harness.model import RunInfo, Setting
from harness.report import terminal
from harness.report.summarise import summarise, summarise_large
from harness.report.write import write_reports
from harness.stats.compare import MARGIN
from harness.store import read_large_run, read_run

NAME = "report"
MAX_WIDTH = 120


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--summary-only", is_flag=True, help="print the summary, write no file: for runs of millions of cycles")
@with_settings("firmware_seconds")
def report(settings: Settings, run_dir: Path, summary_only: bool) -> None:
    """Derive every report of RUN_DIR once more from its records, and print the summary."""
    if not run_dir.is_dir():
        raise ConfigError("no such folder", file=run_dir, mend="name the folder of a run, such as results/latest")
    if summary_only:
        info, cells = read_large_run(run_dir)
        result = summarise_large(with_firmware(info, settings.firmware_seconds), cells, margin=recorded_margin(info))
    else:
        info, records = read_run(run_dir)
        result = summarise(with_firmware(info, settings.firmware_seconds), records, margin=recorded_margin(info))
        write_reports(result, run_dir)
    width = min(shutil.get_terminal_size((terminal.WIDTH, 24)).columns, MAX_WIDTH)
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    click.echo(terminal.render(result, width, colour=colour), nl=False)


def with_firmware(info: RunInfo, seconds: float | None) -> RunInfo:
    """The run with another word on how long a real machine's firmware takes, if there is one."""
    if seconds is None:
        return info
    settings = {**info.settings, "firmware_seconds": Setting(seconds, "report")}
    return msgspec.structs.replace(info, settings=settings)


def recorded_margin(info: RunInfo) -> float:
    """The margin that the run was judged with. Raises StoreError if run.json has something else in its place."""
    setting = info.settings.get("margin")
    if setting is None:
        return MARGIN
    try:
        return msgspec.convert(setting.value, float)
    except msgspec.ValidationError as error:
        raise StoreError(f"run.json: settings.margin: {error}") from error


COMMAND = report
