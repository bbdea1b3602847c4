"""`kexec-harness bisect`: one kernel, good or bad, in the words of `git bisect run`.

git takes 0 for good, 125 for a revision that cannot be tested, and 1 to 127 without 125 for bad; from 128 on it gives
up (git-bisect(1)). Everything that says nothing of the kernel's reboots is therefore 125 here, a wrong setting too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import click

from harness.campaign.gates import BASELINE
from harness.campaign.session import RunSession
from harness.cli.options import say, with_settings
from harness.clock import HostClock
from harness.config import Settings, expand, read_matrix
from harness.errors import HarnessError
from harness.lab import known_names
from harness.model import CycleEnd, Outcome
from harness.store import new_run_id

NAME = "bisect"
GOOD, BAD, CANNOT_SAY = 0, 1, 125


class ForGit(click.Command):
    """A command whose own errors, from a wrong option on, say nothing of the kernel."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        try:
            return super().make_context(*args, **extra)
        except click.ClickException as error:
            error.show()
            raise click.exceptions.Exit(CANNOT_SAY) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HarnessError as error:
            say(f"kexec-harness: {error}")
            raise click.exceptions.Exit(CANNOT_SAY) from error


#: settings that may be options; the environment may have every one
KERNEL_OPTIONS = ("kernel", "modules", "initrd")
CELL_OPTIONS = ("image", "device", "firmware", "loader", "memory", "smp")
RUN_OPTIONS = ("methods", "blocks", "seed", "failure_budget", "accel", "qemu", "results", "cache_dir", "images_dir")


@click.command(cls=ForGit)
@with_settings(*KERNEL_OPTIONS, *CELL_OPTIONS, *RUN_OPTIONS)
def bisect(settings: Settings) -> int:
    """Reboot a kernel in blocks: 0 if it is good, 1 if reboots fail, 125 if nobody can say.

    Bad is a kernel of which more reboots failed than FAILURE_BUDGET allows, in any method but cold. One that does not
    boot, or whose cold reboots fail, cannot be tested.
    """
    clock = HostClock()
    session = RunSession(settings, new_run_id(clock), clock, say)
    try:
        cells = expand(read_matrix(settings.matrix), settings, known_names(settings)).cells
        ends = [end for cell in cells for end in session.run_cell(cell)]
    except HarnessError as error:
        say(f"kexec-harness: {error}")
        status, why = CANNOT_SAY, "it could not be tested"
    else:
        status, why = judge(settings.methods, ends, settings.failure_budget)
    session.close(status)
    click.echo(f"{' '.join(settings.kernel) or 'default'}: {WORDS[status]}: {why}")
    return status


WORDS = {GOOD: "good", BAD: "bad", CANNOT_SAY: "skip"}


def judge(methods: Sequence[str], ends: Sequence[CycleEnd], budget: int) -> tuple[int, str]:
    """Exit status and reason, from the finished cycles."""
    failed = Counter(end.method for end in ends if end.outcome is Outcome.FAIL)
    valid = Counter(end.method for end in ends if end.outcome is not Outcome.INVALID)
    for method in methods:
        if not valid[method]:
            return CANNOT_SAY, f"no reboot by {method} says anything"
    if failed[BASELINE] > budget:
        return CANNOT_SAY, f"{failed[BASELINE]} of {valid[BASELINE]} cold reboots failed: {_reason(ends, BASELINE)}"
    for method in methods:
        if failed[method] > budget:
            return BAD, f"{failed[method]} of {valid[method]} reboots by {method} failed: {_reason(ends, method)}"
    return GOOD, f"{sum(failed.values())} of {sum(valid.values())} reboots failed"


def _reason(ends: Sequence[CycleEnd], method: str) -> str:
    """The first failure's."""
    first = next(end for end in ends if end.method == method and end.outcome is Outcome.FAIL)
    return f"{first.failure_class.value if first.failure_class else 'unknown'}: {first.reason}"


COMMAND = bisect
