"""Words and numbers as people read them, and untrusted text made harmless."""

from __future__ import annotations

import math

from harness.model import CycleEnd, RunInfo
from harness.report.model import ArmSummary, CellReport, Contrast
from harness.stats.duration import Quantile, Ratio
from harness.stats.proportion import LEVEL, Rate, upper_bound

#: stands where a number is unknown
UNKNOWN = "-"
MAX_TEXT = 400


def visible(text: str, limit: int = MAX_TEXT) -> str:
    """Text on one line, cut to `limit` characters, everything that is not printable written as an escape.

    That covers control characters, terminal escapes, newlines, invisible and direction-changing characters.
    """
    shown = text[:limit]
    if not shown.isprintable():
        shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in shown)
    return shown if len(text) <= limit else f"{shown} ..."


def percent(share: float) -> str:
    """A share as a percentage with two significant digits: `0.75`, `2.2`, `100`."""
    value = 100 * share
    if value == 0 or value >= 99.5:
        return f"{value:.3g}"
    digits = max(0, 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"


def rate_text(rate: Rate) -> str:
    """`0.75 % [0.25, 2.2]` with Wilson's interval, or `-` if no cycle was valid."""
    if rate.rate is None or rate.wilson_low is None or rate.wilson_high is None:
        return UNKNOWN
    return f"{percent(rate.rate)} % [{percent(rate.wilson_low)}, {percent(rate.wilson_high)}]"


def seconds_text(value: float | None) -> str:
    """Seconds for people, three digits or so: `0.042`, `1.23`, `12.3`, `123`."""
    if value is None:
        return UNKNOWN
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def factor(value: float) -> str:
    """A ratio of times: `0.72`, `0.051`, `13`."""
    return f"{value:.2f}" if 0.1 <= value < 10 else f"{value:.2g}"


def quantile_text(quantile: Quantile) -> str:
    """The quantile in seconds, or why there is none."""
    if quantile.value is not None:
        return seconds_text(quantile.value)
    return UNKNOWN if quantile.n == 0 else "n too small"


def ratio_text(contrast: Contrast, measure: str = "total_s") -> str:
    """One sentence: `kexec takes 0.72 of cold's time [0.69-0.75, 95 %]`."""
    ratio = contrast.ratios[measure]
    if ratio.ratio is None:
        return f"no block in which both {contrast.method} and {contrast.baseline} passed: times cannot be compared"
    return f"{contrast.method} takes {factor(ratio.ratio)} of {contrast.baseline}'s time {ratio_interval(ratio)}"


def ratio_interval(ratio: Ratio) -> str:
    """`[0.69-0.75, 95 %]`; says so where there is none, or where few blocks keep the level down."""
    blocks = _count(ratio.n_pairs, "block")
    if ratio.low is None or ratio.high is None or ratio.level is None:
        return f"(no interval from {blocks})"
    few = f"; {blocks} reach no more" if ratio.level < LEVEL else ""
    return f"[{factor(ratio.low)}-{factor(ratio.high)}, {100 * ratio.level:.3g} %{few}]"


def unseen(arm: ArmSummary) -> str | None:
    """What an arm without failures cannot rule out; None if it has failures or no cycles."""
    bound = upper_bound(arm.failed, arm.cycles)
    if arm.failed or bound is None:
        return None
    return (
        f"{arm.method}: no failure in {_count(arm.cycles, 'cycle')}; "
        f"rates up to {percent(bound)} % cannot be ruled out (95 % confidence)"
    )


def cycle_title(end: CycleEnd) -> str:
    """`cycle 12 kexec: fail kernel_panic`. Escaped."""
    failure = f" {end.failure_class.value}" if end.failure_class else ""
    return f"cycle {end.cycle} {visible(end.method)}: {end.outcome.value}{failure}"


def accelerator(run: RunInfo) -> str:
    """Which accelerator and why, without what a tool printed; run.json has the whole of it. Escaped."""
    why = visible(run.accel_reason.split(": ", 1)[0])
    return f"accelerator {run.accel.value} ({why}), QEMU {visible(run.qemu_version)}"


def not_covered(run: RunInfo) -> str:
    """What no number of this run speaks of."""
    emulated = ", on an emulated CPU: read ratios, not seconds" if run.accel.value == "tcg" else ""
    return (
        "Not covered: real hardware. These are emulated devices and QEMU's firmware, which takes seconds where a "
        "server's takes minutes; silicon, real firmware and real drivers' quirks are not in these numbers. "
        f"Times are of the cycles that passed{emulated}."
    )


def cell_notes(cell: CellReport) -> tuple[str, ...]:
    """What a cell's numbers do not say by themselves, one sentence each."""
    notes = [note for arm in cell.arms if (note := unseen(arm))]
    interrupted = sum(arm.interrupted for arm in cell.arms)
    if interrupted:
        notes.append(f"{_count(interrupted, 'cycle')} started and never recorded as ended: counted as invalid")
    if cell.setup_failed:
        notes.append(f"{_count(cell.setup_failed, 'machine')} did not come up before any reboot: in no rate")
    if not cell.arms:
        notes.append("no cycle was recorded")
    elif not cell.contrasts:
        notes.append("only one arm: nothing to compare")
    return tuple(notes)


def run_notes(run: RunInfo) -> tuple[str, ...]:
    """What was run on what, one line each. Escaped."""
    ended = f"ended {visible(run.ended_at)}" if run.ended_at else "no end recorded: still running, or killed"
    return (f"started {visible(run.started_at)}, {ended}, seed {run.seed}", accelerator(run))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
