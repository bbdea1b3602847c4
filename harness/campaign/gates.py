"""What decides a run: one gate per arm (its failure budget) and one for the comparison of the arms."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from harness.model import CycleEnd, Outcome
from harness.stats.compare import Decision
from harness.stats.judge import arm_rate, compare_cycles, hold_against
from harness.stats.proportion import rate

MAX_LISTED = 5
#: the arm that others are held against
BASELINE = "cold"


class GateStatus(StrEnum):
    """`UNDECIDED` is neither a pass nor a fail."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"


class Gate(Struct, frozen=True):
    """A gate's answer, with a sentence for the failure message that every viewer shows."""

    status: GateStatus
    message: str
    #: figures for JUnit's properties, name -> value
    figures: dict[str, float | int | str]


def judge_arm(method: str, cycles: Sequence[CycleEnd], budget: int) -> Gate:
    """Whether an arm kept to its budget of failed cycles. An arm without a valid cycle has shown nothing."""
    mine = [end for end in cycles if end.method == method]
    failed = [end for end in mine if end.outcome is Outcome.FAIL]
    invalid = sum(end.outcome is Outcome.INVALID for end in mine)
    found = rate(len(failed), len(mine) - invalid)
    tally = f"{method}: {found.failed} of {found.n} cycles failed" + (f", {invalid} invalid" if invalid else "")
    figures: dict[str, float | int | str] = {"cycles": found.n, "failed": found.failed, "invalid": invalid}
    shares = {"failure_rate": found.rate, "ci_low": found.low, "ci_high": found.high}
    figures |= {name: share for name, share in shares.items() if share is not None}
    if found.failed > budget:
        listed = [_line(end) for end in failed[:MAX_LISTED]]
        if found.failed > MAX_LISTED:
            listed.append(f"  and {found.failed - MAX_LISTED} more in cycles.csv")
        return Gate(GateStatus.FAILED, "\n".join([f"{tally} (budget {budget})", *listed]), figures)
    if not found.n:
        # Planned and never seen: a run that ends well must not hide it.
        return Gate(GateStatus.FAILED, f"{tally}: nothing is known of this arm", figures)
    return Gate(GateStatus.PASSED, tally, figures)


def judge_specification(method: str, cycles: Sequence[CycleEnd], specified: float, *, anytime: bool) -> Gate:
    """Whether an arm fails less often than `specified`, a share; it takes the budget's place."""
    counted = judge_arm(method, cycles, budget=len(cycles))
    if counted.status is GateStatus.FAILED:
        return counted
    found = hold_against(arm_rate(end for end in cycles if end.method == method), method, specified, anytime=anytime)
    status = {True: GateStatus.PASSED, False: GateStatus.FAILED, None: GateStatus.UNDECIDED}[found.meets]
    return Gate(status, found.sentence, counted.figures)


def judge_comparison(
    methods: Sequence[str], cycles: Sequence[CycleEnd], margin: float, *, gates: int = 1, anytime: bool = False
) -> Gate:
    """Whether any other arm fails more often than the baseline; the worst answer of all arms counts.

    `gates` comparisons share one error of calling an arm worse for nothing; `anytime` if the run may have stopped
    for what it saw.
    """
    others = [name for name in methods if name != BASELINE]
    if BASELINE not in methods or not others:
        return Gate(GateStatus.UNDECIDED, f"nothing to compare: only {', '.join(methods)} ran", {})
    by_method = {name: [end for end in cycles if end.method == name] for name in methods}
    found = [
        compare_cycles(
            by_method[name],
            by_method[BASELINE],
            names=(name, BASELINE),
            margin=margin,
            gates=gates,
            anytime=anytime,
        )
        for name in others
    ]
    message = "\n".join(comparison.sentence for comparison in found)
    figures: dict[str, float | int | str] = {
        f"{name}_p_value": comparison.p_value
        for name, comparison in zip(others, found, strict=True)
        if comparison.p_value is not None
    }
    decisions = {comparison.decision for comparison in found}
    if Decision.WORSE in decisions:
        return Gate(GateStatus.FAILED, message, figures)
    if Decision.UNDECIDED in decisions:
        return Gate(GateStatus.UNDECIDED, message, figures)
    return Gate(GateStatus.PASSED, message, figures)


def _line(end: CycleEnd) -> str:
    failure = end.failure_class.value if end.failure_class else "unknown"
    where = f" [{end.console}]" if end.console else ""
    return f"  cycle {end.cycle}: {failure}: {end.reason}{where}"
