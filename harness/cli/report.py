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
from harness.report.model import Report
from harness.report.summarise import summarise, summarise_large
from harness.report.write import write_reports
from harness.selftest.session import FOLDER as SELFTEST
from harness.stats.compare import MARGIN
from harness.store import RUN_FILE, read_large_run, read_run

NAME = "report"
MAX_WIDTH = 120


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--summary-only", is_flag=True, help="print the summary, write no file: for runs of millions of cycles")
@with_settings("firmware_seconds")
def report(settings: Settings, run_dir: Path, summary_only: bool) -> None:
    """Derive every report of RUN_DIR once more from its records, and print the summary."""
    if not summary_only:
        print_summary(write_run_reports(run_dir, settings.firmware_seconds))
        return
    expect_folder(run_dir)
    info, cells = read_large_run(run_dir)
    info = with_firmware(info, settings.firmware_seconds)
    print_summary(summarise_large(info, cells, margin=recorded_margin(info)))


def expect_folder(run_dir: Path) -> None:
    """Raises ConfigError if there is no such folder."""
    if not run_dir.is_dir():
        raise ConfigError("no such folder", file=run_dir, mend="name the folder of a run, such as results/latest")
    if (run_dir / SELFTEST).is_dir() and not (run_dir / RUN_FILE).exists():
        mend = f"kexec-harness selftest --again {run_dir}; runs of machines are beside it"
        raise ConfigError("is a self-test, which has no rates", file=run_dir, mend=mend)


def write_run_reports(run_dir: Path, firmware_seconds: float | None = None) -> Report:
    """Derive every report of a run from its records. Raises ConfigError or StoreError."""
    expect_folder(run_dir)
    info, records = read_run(run_dir)
    info = with_firmware(info, firmware_seconds)
    result = summarise(info, records, margin=recorded_margin(info))
    write_reports(result, run_dir)
    return result


def print_summary(result: Report) -> None:
    """The summary, as wide as the terminal allows."""
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
