"""kexec-harness classify: the verdict on anybody's console log."""

from __future__ import annotations

from pathlib import Path

import click

from harness.classify.log import judge_log, log_signatures
from harness.cli.options import CHECK_FAILED, as_json, print_json
from harness.errors import StoreError
from harness.model import BootPath, Outcome
from harness.report.log_verdict import log_line, log_object, pieces_of

NAME = "classify"
_STATUS = {Outcome.PASS: 0, Outcome.FAIL: CHECK_FAILED, Outcome.INVALID: StoreError.exit_code}


@click.command()
@click.argument("logs", nargs=-1, required=True, metavar="LOG...", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--expect", type=click.Choice(["kexec", "firmware", "soft"]), help="the path its reboots were to take")
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

    Ends with 0 if all of them passed, with 1 if one failed, with 3 if one could not be read or shows nothing to judge.
    """
    known = frozenset().union(*(log_signatures(pieces_of(path)) for path in baselines)) if baselines else None
    status = 0
    for path in logs:
        try:
            judged = judge_log(pieces_of(path), expected=BootPath(expect) if expect else None, baseline=known)
        except StoreError as error:
            click.echo(f"kexec-harness: {error}", err=True)
            status = max(status, error.exit_code)
            continue
        status = max(status, _STATUS[judged.verdict.outcome])
        if as_json:
            print_json([log_object(path, judged)])
        else:
            click.echo(log_line(path, judged))
    return status


COMMAND = classify
