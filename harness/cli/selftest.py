"""kexec-harness selftest: faults injected into reboots, and the verdicts held against those that they must get."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import CHECK_FAILED, as_json, print_json, say, with_settings
from harness.clock import HostClock
from harness.config import Settings
from harness.selftest.chance import chances, line
from harness.selftest.session import CLEAN_CYCLES, FOLDER, IMAGES, choose, judge_again, run_selftest
from harness.selftest.summary import summary

NAME = "selftest"
_SETTINGS = (
    *("image", "accel", "memory", "smp", "jobs", "seed"),
    *("results", "qemu", "mirror", "images_dir", "cache_dir"),
)


@click.command()
@with_settings(*_SETTINGS)
@click.option("--fault", "names", multiple=True, metavar="NAME", help="this fault only; may be given several times")
@click.option("--quick", is_flag=True, help="a handful of faults, a few minutes")
@click.option("--clean", type=click.IntRange(min=0), default=CLEAN_CYCLES, help="reboots without a fault, per image")
@click.option("--list", "only_list", is_flag=True, help="only list the faults")
@click.option("--again", type=click.Path(path_type=Path), help="judge this run's self-test once more; runs no machine")
@click.option("--record", "record_to", type=click.Path(path_type=Path), help="keep each console as test data, there")
@as_json
def selftest(
    *,
    settings: Settings,
    names: tuple[str, ...],
    quick: bool,
    clean: int,
    only_list: bool,
    again: Path | None,
    record_to: Path | None,
    as_json: bool,
) -> int:
    """Inject faults into reboots, and hold the verdicts against those that they must get. 0 only if all are right."""
    faults = choose(names, quick=quick)
    if only_list:
        for fault in faults:
            wanted = "|".join(item.value for item in fault.classes) or "pass"
            click.echo(f"{fault.name:28}  {fault.target.value:9}  {wanted:40}  {fault.summary}")
        return 0
    if again is not None:
        trials = judge_again(again / FOLDER, record_to)
    else:
        chosen = settings.image or IMAGES
        trials = run_selftest(settings, HostClock(), chosen, faults, clean=clean, say=say, record_to=record_to)
    drawn = chances(trials, settings.seed)
    if as_json:
        print_json([*trials, *drawn])
    else:
        click.echo("\n".join([*summary(trials), *(line(chance) for chance in drawn)]))
    right = trials and all(trial.right for trial in trials) and all(chance.covered for chance in drawn)
    return 0 if right else CHECK_FAILED


COMMAND = selftest
