"""`kexec-harness plan`: how many blocks a question takes, how long that is here, and what a number cannot show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click
import numpy as np
from msgspec import Struct

from harness.campaign.gates import BASELINE
from harness.campaign.history import Pace, pace
from harness.campaign.session import host_facts
from harness.cli.options import as_json, print_json, with_settings
from harness.config import Settings
from harness.config.stop import MOST_BLOCKS
from harness.config.values import number_of
from harness.lab import methods
from harness.registry import unknown
from harness.stats import sentences
from harness.stats.planning import (
    Stopping,
    blocks_to_show_no_worse,
    blocks_to_show_worse,
    clean_cycles,
    clean_cycles_when_watched,
    simulate_stopping,
)
from harness.stats.proportion import upper_bound

NAME = "plan"
#: the same question gets the same answer
SEED = 20260101


class Plan(Struct, frozen=True, kw_only=True):
    """What it takes. Rates, confidence and power are shares; numbers are blocks, None if out of reach."""

    detect: float
    baseline_rate: float
    confidence: float
    power: float
    margin: float
    clean_cycles: int
    fixed_worse: int | None
    fixed_no_worse: int | None
    auto_worse: Stopping
    auto_no_worse: Stopping
    blocks: int
    #: rate that so many clean cycles of an arm cannot rule out
    invisible_below: float
    seconds_per_block: float | None


class Share(click.ParamType[float]):
    """A share between 0 and 1, written as 0.01, 1%, or 1/100; whole numbers above 1 are percent."""

    name = "share"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = number_of(value) if isinstance(value, str) else value
        if isinstance(number, float) and 1 < number < 100:
            number /= 100
        if not isinstance(number, float) or not 0 <= number < 1:
            self.fail(f"'{value}' is not a share, such as 1%, 1/100 or 0.01", param, ctx)
        return number


@click.command()
@click.option("--detect", type=Share(), default="1%", show_default=True, help="kexec's failure rate to be noticed")
@click.option("--baseline-rate", type=Share(), default="0", show_default=True, help="failure rate of a cold reboot")
@click.option("--confidence", type=Share(), default="95", show_default=True, help="in percent")
@click.option("--power", type=Share(), default="90", show_default=True, help="in percent")
@with_settings("blocks", "margin", "methods", "results")
@as_json
def plan(
    *, settings: Settings, detect: float, baseline_rate: float, confidence: float, power: float, as_json: bool
) -> None:
    """How many blocks it takes to notice a failure rate, and what BLOCKS blocks can and cannot show."""
    if detect <= baseline_rate:
        raise click.BadParameter("must be above --baseline-rate", param_hint="--detect")
    for name in settings.methods:
        if name not in methods():
            raise settings.error("methods", unknown(name, "method", tuple(methods())))
    known = pace(settings.results, host_facts(), settings.methods)
    found = work_out(
        settings, detect=detect, baseline_rate=baseline_rate, confidence=confidence, power=power, known=known
    )
    if as_json:
        print_json([found])
        return
    for line in lines(found, known, settings):
        click.echo(line)


def work_out(
    settings: Settings, *, detect: float, baseline_rate: float, confidence: float, power: float, known: Pace | None
) -> Plan:
    """All numbers of a plan."""

    def stopping(rate: float) -> Stopping:
        rng = np.random.default_rng(SEED)
        margin = settings.margin
        return simulate_stopping(rate, baseline_rate, margin=margin, cap=5000, rng=rng, level=confidence)

    return Plan(
        detect=detect,
        baseline_rate=baseline_rate,
        confidence=confidence,
        power=power,
        margin=settings.margin,
        clean_cycles=clean_cycles(detect, confidence),
        fixed_worse=blocks_to_show_worse(detect, baseline_rate, power=power, level=confidence),
        fixed_no_worse=blocks_to_show_no_worse(baseline_rate, settings.margin, power=power, level=confidence),
        auto_worse=stopping(detect),
        auto_no_worse=stopping(baseline_rate),
        blocks=settings.blocks,
        invisible_below=upper_bound(0, settings.blocks, confidence) or 1.0,
        seconds_per_block=known.seconds * len(settings.methods) if known else None,
    )


def lines(found: Plan, known: Pace | None, settings: Settings) -> Iterator[str]:
    """The plan in words."""
    if len(settings.methods) > 1 and BASELINE in settings.methods:
        candidate = next(name for name in settings.methods if name != BASELINE)
        yield from _compared(found, candidate)
    else:
        yield from _alone(found, settings.methods)
    yield ""
    yield f"BLOCKS={found.blocks}{_hours(found.blocks, found)}"
    yield f"  {sentences.invisible(found.blocks, found.invisible_below, found.confidence)}"
    yield ""
    if known is None:
        yield f"no run on this host in {settings.results}: how long a block takes is not known"
    else:
        times = f"{known.cycles} cycles of {known.runs} run{'' if known.runs == 1 else 's'} in {settings.results}"
        yield f"a block takes {found.seconds_per_block:.0f} s on this host, as {times} did"


def _compared(found: Plan, candidate: str) -> Iterator[str]:
    level, power = f"{100 * found.confidence:.3g} %", f"{100 * found.power:.3g} %"
    rates = f"{candidate} fails in {_rate(found.detect)}, {BASELINE} in {_rate(found.baseline_rate)}"
    yield f"{rates}: to show that {candidate} is worse"
    yield f"  STOP=fixed  {_blocks(found.fixed_worse, found)}, with {power} power at {level} confidence"
    yield f"  STOP=auto   {_stopping(found.auto_worse, found, found.auto_worse.worse, 'worse')}"
    if found.detect - found.baseline_rate < found.margin:
        yield f"              ({_rate(found.detect)} is within MARGIN={_rate(found.margin)}: most end with 'no worse')"
    yield f"  {found.clean_cycles} clean cycles of one arm rule {_rate(found.detect)} out ({level})"
    yield ""
    no_worse = f"to show that {candidate} is no worse than {_rate(found.margin)} more"
    yield f"both fail in {_rate(found.baseline_rate)}: {no_worse}"
    yield f"  STOP=fixed  {_blocks(found.fixed_no_worse, found)}, with {power} power at {level} confidence"
    yield f"  STOP=auto   {_stopping(found.auto_no_worse, found, found.auto_no_worse.no_worse, 'no worse')}"


def _alone(found: Plan, names: Sequence[str]) -> Iterator[str]:
    """Nothing is compared where there is no cold arm: each arm is held against a rate."""
    watched = clean_cycles_when_watched(found.detect, found.confidence)
    rate, level = _rate(found.detect), f"{100 * found.confidence:.3g} %"
    each = f"{names[0]} fails" if len(names) == 1 else "each arm fails"
    yield f"no cold reboots to compare with: to show that {each} in less than {rate}"
    yield f"  STOP=fixed  {_blocks(found.clean_cycles, found)} without a failure rule {rate} out ({level})"
    yield f"  STOP=auto MAX_FAILURE_RATE={rate.replace(' ', '')}  {_blocks(watched, found)} without a failure"


def _rate(share: float) -> str:
    return f"{100 * share:.3g} %"


def _blocks(number: int | None, found: Plan) -> str:
    return "more than 200000 blocks" if number is None else f"{number} blocks{_hours(number, found)}"


def _stopping(how: Stopping, found: Plan, share: float, said: str) -> str:
    cap = f" (with BLOCKS={how.cap}; {MOST_BLOCKS} unless you say)" if how.undecided else ""
    return (
        f"{how.mean:.0f} blocks on average{_hours(how.mean, found)}, 9 in 10 runs end by {how.p90:.0f}; "
        f"{100 * share:.3g} % end with '{said}'{cap}"
    )


def _hours(blocks: float, found: Plan) -> str:
    if found.seconds_per_block is None:
        return ""
    hours = blocks * found.seconds_per_block / 3600
    return f" ({hours:.2g} h)" if hours < 10 else f" ({hours:.0f} h)"


COMMAND = plan
