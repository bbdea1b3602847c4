"""Words and numbers as people read them, and untrusted text made harmless."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model import CycleEnd, RunInfo
from harness.report.model import ArmSummary, CellReport, Contrast, Report
from harness.stats import sentences
from harness.stats.build_up import BuildUp
from harness.stats.duration import Quantile, Ratio, Saving
from harness.stats.proportion import LEVEL, Rate, upper_bound
from harness.stats.sentences import UNKNOWN, factor, percent, seconds_text

MAX_TEXT = 400
#: characters of a factor's level, such as a kernel's release
MAX_LEVEL = 40
#: p-values of advice below this are shown
ADVICE = 0.01


def visible(text: str, limit: int = MAX_TEXT) -> str:
    """Text on one line, cut to `limit` characters, everything that is not printable written as an escape.

    That covers control characters, terminal escapes, newlines, invisible and direction-changing characters.
    """
    shown = text[:limit]
    if not shown.isprintable():
        shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in shown)
    return shown if len(text) <= limit else f"{shown} ..."


def rate_text(rate: Rate) -> str:
    """`0.75 % [0.25, 2.2]` with Wilson's interval, or `-` if no cycle was valid."""
    if rate.rate is None or rate.wilson_low is None or rate.wilson_high is None:
        return UNKNOWN
    return f"{percent(rate.rate)} % [{percent(rate.wilson_low)}, {percent(rate.wilson_high)}]"


def quantile_text(quantile: Quantile) -> str:
    """The quantile in seconds, or why there is none."""
    if quantile.value is not None:
        return seconds_text(quantile.value)
    return UNKNOWN if quantile.n == 0 else "n too small"


def ratio_text(contrast: Contrast, measure: str = "total_s", kind: str = "time") -> str:
    """One sentence: `kexec takes 0.72 of cold's time [0.69-0.75, 95 %]`."""
    ratio = contrast.ratios[measure]
    if ratio.ratio is None:
        return f"no block in which both {contrast.method} and {contrast.baseline} passed: times cannot be compared"
    return f"{contrast.method} takes {factor(ratio.ratio)} of {contrast.baseline}'s {kind} {ratio_interval(ratio)}"


def time_notes(contrast: Contrast) -> tuple[str, ...]:
    """What a contrast says of times, one sentence each: ratios of wall and vCPU time, seconds saved, break-even."""
    notes = [ratio_text(contrast)]
    if contrast.ratios["total_s"].ratio is None:
        return tuple(notes)
    if contrast.ratios["vcpu_s"].ratio is not None:
        notes.append(ratio_text(contrast, "vcpu_s", "vCPU time"))
    saved, even = contrast.saved, contrast.break_even
    if saved.seconds is not None:
        notes.append(sentences.saves(contrast.method, saved.seconds, saving_interval(saved)))
    if even is not None and even.firmware.seconds is not None:
        notes.append(sentences.breaks_even(contrast.method, even.firmware.seconds, saving_interval(even.firmware)))
    if even is not None and even.saved is not None and even.saved.seconds is not None and even.assumed_s is not None:
        said = sentences.saves(contrast.method, even.saved.seconds, saving_interval(even.saved))
        notes.append(f"with a firmware that takes {seconds_text(even.assumed_s)} s {said}")
    first = contrast.first_failures
    if first.p_value is not None and first.p_value < ADVICE:
        notes.append(sentences.first_failures(contrast.method, contrast.baseline, first.p_value, first.at_least))
    return tuple(notes)


def saving_interval(saving: Saving) -> str:
    """`[5.5 to 6.8 s, 95 %]`, or why there is none."""
    if saving.low is None or saving.high is None or saving.level is None:
        return f"(no interval from {_count(saving.n_pairs, 'block')})"
    return f"[{seconds_text(saving.low)} to {seconds_text(saving.high)} s, {100 * saving.level:.3g} %]"


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


#: share of an arm's cycles that may be invalid without a word
MANY_INVALID = 0.1


def arm_notes(arm: ArmSummary) -> tuple[str, ...]:
    """What one arm's numbers do not say by themselves: classes of failures, what stays unseen, odd times."""
    notes = [
        f"{arm.method}: {name} in {found.failed} of {found.n} cycles, {rate_text(found)}"
        for name, found in arm.class_rates.items()
    ]
    if arm.invalid > MANY_INVALID * (arm.cycles + arm.invalid):
        notes.append(sentences.many_invalid(arm.method, arm.invalid, arm.cycles + arm.invalid))
    if arm.specified is not None:
        notes.append(arm.specified.sentence)
    if (note := unseen(arm)) is not None:
        notes.append(note)
    if arm.shape.outliers:
        notes.append(sentences.outliers(arm.method, len(arm.shape.outliers), arm.shape.n, max(arm.shape.outliers)))
    if (groups := arm.shape.groups) is not None:
        notes.append(sentences.two_groups(arm.method, groups.fast, groups.slow, groups.slow_share))
    return (*notes, *(build_up_notes(arm.method, arm.build_up) if arm.build_up else ()))


def build_up_notes(method: str, found: BuildUp) -> tuple[str, ...]:
    """What builds up, where it is shown: advice."""
    notes = []
    depth, time, memory, change = found.depth, found.time, found.memory, found.change
    if depth.p_value is not None and depth.p_value < ADVICE:
        notes.append(sentences.fails_with_depth(method, depth.table, depth.p_value))
    if time.per_step is not None and time.is_shown:
        between = f"[{seconds_text(time.low)} to {seconds_text(time.high)} s, 95 %]"
        notes.append(sentences.per_kexec(method, "takes", f"{seconds_text(time.per_step)} s longer", between))
    if memory.per_step is not None and memory.low is not None and memory.high is not None and memory.is_shown:
        between = f"[{-memory.high / 1024:.3g} to {-memory.low / 1024:.3g} MiB, 95 %]"
        notes.append(sentences.per_kexec(method, "leaves", f"{-memory.per_step / 1024:.3g} MiB less memory", between))
    if change is not None:
        notes.append(sentences.changed(method, change.at + 1, change.before, change.after))
    return tuple(notes)


def triage_lines(report: Report) -> Iterator[tuple[str, ...]]:
    """Rows of the ranking of device sets: name, failures, drawn rate with its interval, q-value. Escaped."""
    for found in report.ranking:
        drawn = f"{percent(found.rate)} % [{percent(found.low)}, {percent(found.high)}]"
        yield visible(found.name), f"{found.failed}/{found.n}", drawn, f"{found.q_value:.2g}"


def factor_lines(report: Report) -> Iterator[tuple[str, ...]]:
    """Rows of the table of factors: name, part of the differences, p-value or why none, failures by level. Escaped."""
    for found in report.factors:
        same = f"cannot be told from {', '.join(found.same_as)}" if found.same_as else "cannot be told from others"
        chance = same if found.p_value is None else f"{found.p_value:.2g}"
        levels = ", ".join(f"{visible(name, MAX_LEVEL)} {failed}/{n}" for name, (failed, n) in found.levels.items())
        explained = UNKNOWN if found.explained is None else f"{100 * found.explained:.0f} %"
        yield found.name, explained, chance, levels


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
    notes = [note for arm in cell.arms for note in arm_notes(arm)]
    busiest = max((arm.waiting_share or 0.0 for arm in cell.arms), default=0.0)
    if busiest > sentences.BUSY:
        notes.append(sentences.busy(busiest))
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
    notes: tuple[str, ...] = (f"started {visible(run.started_at)}, {ended}, seed {run.seed}", accelerator(run))
    notes += tuple(f"skipped: {visible(cell)}: {visible(reason)}" for cell, reason in run.skipped.items())
    notes += tuple(
        f"skipped: {visible(cell)}, {visible(method)}: {visible(reason)}"
        for cell, reasons in run.skipped_arms.items()
        for method, reason in reasons.items()
    )
    if (fault := run.values.get("fault")) is None:
        return notes
    share = percent(float(run.values["fault_rate"]))
    return (
        *notes,
        f"{visible(str(fault))} was injected into {share} % of its reboots on purpose: no rate here is a machine's own",
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
