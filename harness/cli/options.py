"""What commands share: options made from settings, JSON Lines, progress, exit codes."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from harness.config import SETTINGS, Sources, resolve

#: what a command ends with: a check failed, a wrong command line, Ctrl-C
CHECK_FAILED, USAGE, INTERRUPTED = 1, 4, 130

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


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
