"""What a self-test shows: the confusion matrix, false alarms, and how soon text became a verdict. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from harness.faults.base import Fault, Target
from harness.model import Outcome
from harness.selftest.trial import CLEAN, Trial
from harness.stats.proportion import upper_bound


def describe(trial: Trial) -> str:
    """One line on a trial, as it is over."""
    mark = "ok   " if trial.right else "WRONG"
    after = f", {trial.text_to_verdict_s:.2f} s after the text" if trial.text_to_verdict_s is not None else ""
    line = f"{mark} {trial.image} {trial.fault}: {trial.found_name}{after} ({trial.took_s:.0f} s)"
    if trial.right:
        return line
    wanted = " or ".join(item.value for item in trial.expected) or Outcome.PASS.value
    said = "; ".join((trial.verdict.reason, *trial.complaints))
    return f"{line}\n      had to be {wanted}, {trial.expected_outcome.value}: {said}"


def confusion(trials: Sequence[Trial]) -> list[str]:
    """A line per class that was injected: what was reported for it, how often."""
    injected = [trial for trial in trials if trial.fault != CLEAN]
    rows: dict[str, Counter[str]] = {}
    for trial in injected:
        rows.setdefault(trial.expected_name, Counter())[trial.found_name] += 1
    lines = []
    for expected, found in sorted(rows.items()):
        right = found.pop(expected, 0)
        others = ", ".join(f"{name} {count}" for name, count in found.most_common())
        lines.append(f"{expected:24} {right:4} of {right + found.total():<4} {others}".rstrip())
    return lines


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def summary(trials: Sequence[Trial]) -> list[str]:
    """The whole result as lines."""
    lines = ["injected, and reported as such", *(f"  {line}" for line in confusion(trials))]
    healthy = [trial for trial in trials if trial.must_pass]
    if healthy:
        alarms = sum(not trial.right for trial in healthy)
        baits = sum(trial.fault != CLEAN for trial in healthy)
        bound = upper_bound(alarms, len(healthy)) or 0.0
        made = f"{len(healthy) - baits} clean, {baits} that look ill"
        lines.append(f"false alarms: {alarms} in {len(healthy)} healthy reboots ({made}; at most {bound:.1%}, 95 %)")
    delays = [trial.text_to_verdict_s for trial in trials if trial.text_to_verdict_s is not None]
    if delays:
        figures = (quantile(delays, 0.5), quantile(delays, 0.9), max(delays))
        lines.append("seconds from text to verdict: median {:.2f}, p90 {:.2f}, max {:.2f}".format(*figures))
    wrong = [trial for trial in trials if not trial.right]
    lines.append(f"{len(trials) - len(wrong)} of {len(trials)} trials right")
    lines += [describe(trial) for trial in wrong]
    return lines


def markdown(faults: Sequence[Fault]) -> str:
    """The table of the documentation: a row per fault, by what it is injected into."""
    order = list(Target)
    rows = ["| fault | into | what is done | must be reported as | images |", "|---|---|---|---|---|"]
    for fault in sorted(faults, key=lambda fault: (order.index(fault.target), fault.name)):
        wanted = " or ".join(f"`{item.value}`" for item in fault.classes) or "pass"
        if fault.outcome is Outcome.INVALID:
            wanted += " (invalid)"
        quick = " *" if fault.quick else ""
        images = ", ".join(fault.images) or "all"
        rows.append(f"| `{fault.name}`{quick} | {fault.target.value} | {fault.summary} | {wanted} | {images} |")
    return "\n".join(rows) + "\n"
