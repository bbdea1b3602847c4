"""kexec-harness on the command line: what this host can do, which images and cells there are, reports once more.

Machines are run by pytest (`make soak`). With `--json` a command prints JSON Lines, an object per thing.
Exit codes are like pytest's: 0 fine, 1 a check failed, 3 trouble of this host, 4 a wrong setting; 130 after Ctrl-C.

A command, or a group of them, is a file of this folder with a `NAME` and a `COMMAND`.
"""

from __future__ import annotations

import os
import sys

import click

from harness.cli.options import INTERRUPTED, USAGE
from harness.errors import HarnessError
from harness.registry import members


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kexec-harness", prog_name="kexec-harness")
def cli() -> None:
    """Reliability testing of reboots by kexec. Machines are run with `make soak` or pytest."""


for _name, _module in members("harness.cli").items():
    cli.add_command(_module.COMMAND, _name)


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
