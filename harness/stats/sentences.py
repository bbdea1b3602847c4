"""What the numbers say, in plain sentences. Every format shows these; none words a result of its own."""

from __future__ import annotations

import math

#: stands where a number is unknown
UNKNOWN = "-"
#: vCPUs that wait for more than this part of the time make wall times doubtful
BUSY = 0.1
#: chain depths that a sentence lists
MAX_DEPTHS = 8
#: forecasts reach no further than this many blocks
MAX_FORECAST = 200_000


def counts(names: tuple[str, str], candidate: tuple[int, int], baseline: tuple[int, int]) -> str:
    """`kexec failed 3 of 400, cold 0 of 400: `, from (failed, cycles) of both."""
    return f"{names[0]} failed {candidate[0]} of {candidate[1]}, {names[1]} {baseline[0]} of {baseline[1]}: "


def worse(name: str, *, p_value: float, at_most: float, level: float) -> str:
    """`kexec is worse (p = 0.031), at most 2.9 points worse (95 %)`."""
    return f"{name} is worse (p = {p_value:.2g}), {_at_most(at_most, level)}"


def worse_at_any_time(name: str, *, e_value: float, at_least: float, at_most: float, level: float) -> str:
    """The same for a run that may have stopped early: with the e-value and both limits of its own interval."""
    least = f"at least {points(at_least, up=False)} and " if at_least > 0 else ""
    return f"{name} is worse (e = {shown_e(e_value)}), {least}{_at_most(at_most, level)}"


def no_worse(name: str, *, at_most: float, margin: float, level: float) -> str:
    """`no evidence that kexec is worse; it is at most 0.9 points worse (95 %), within the margin of 1 point`."""
    return f"no evidence that {name} is worse; it is {_at_most(at_most, level)}, within the margin of {points(margin)}"


def undecided(more: int | None) -> str:
    """How many more blocks would settle it, if any number would."""
    if more is None:
        return f"undecided; at these rates not even {MAX_FORECAST} blocks would settle it"
    return f"undecided; about {more} more {_blocks(more)} would settle it if these rates go on"


def unadjusted(p_value: float, gates: int) -> str:
    """What follows `undecided` where one comparison alone would have been called worse."""
    return f" (p = {p_value:.2g} would be worse for this cell alone, not for one of {gates} looked at)"


def nothing_known(names: list[str]) -> str:
    """Arms without a valid cycle."""
    return f"undecided: no valid cycle of {' and '.join(names)}"


def many_invalid(method: str, invalid: int, cycles: int) -> str:
    """So many cycles say nothing that the others may not be a fair sample."""
    return f"{method}: {invalid} of {cycles} cycles are invalid; what made them so may have to do with the method"


def left_out(blocks: int, failed: int = 0) -> str:
    """Blocks that are no pair; in `failed` of them the candidate failed."""
    text = f"; {blocks} {_blocks(blocks)} without a valid cycle of both left out"
    return text + (f", but for {failed} {'failure' if failed == 1 else 'failures'}" if failed else "")


def specification(name: str, failed: int, n: int, specified: float, *, meets: bool | None, at_most: float) -> str:
    """Whether an arm fails less often than was specified; `meets` None is undecided."""
    known = {
        True: "it meets the specification",
        False: "it does not meet the specification",
        None: "undecided against the specification",
    }[meets]
    limit = f"at most {percent_up(at_most)} (95 %)"
    return f"{name} failed {failed} of {n}: {known} of fewer than {one_in(specified)}; {limit}"


def stopped(blocks: int, why: str) -> str:
    """Why a run went no further."""
    return f"stopped after {blocks} {_blocks(blocks)}: {why}"


def invisible(blocks: int, bound: float, level: float) -> str:
    """`60 clean blocks: anything under 4.9 % stays invisible (95 %)`."""
    return f"{blocks} clean {_blocks(blocks)}: anything under {100 * bound:.2g} % stays invisible ({100 * level:.3g} %)"


def one_in(share: float) -> str:
    """A rate as people say it: `1 in 500`, or in percent where it is not one in a whole number."""
    whole = round(1 / share)
    return f"1 in {whole}" if whole > 1 and abs(whole * share - 1) < 1e-9 else f"{100 * share:.3g} %"


def points(share: float, *, up: bool = True) -> str:
    """A difference of rates in percentage points, three digits; rounded up where it stands after "at most"."""
    value = 100 * share
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    scaled = round(value * 10.0**digits, 3)
    rounded = (math.ceil(scaled) if up else math.floor(scaled)) / 10.0**digits
    return f"{rounded:g} {'point' if rounded == 1 else 'points'}"


def percent_up(share: float) -> str:
    """A rate in percent that stands after "at most": rounded up."""
    return points(share).split()[0] + " %"


def shown_e(e_value: float) -> str:
    """An e-value, which may be astronomical."""
    return f"{e_value:.3g}" if e_value < 1e6 else "over a million"


def _at_most(share: float, level: float) -> str:
    return f"at most {points(share)} worse ({100 * level:.3g} %)"


def _blocks(number: int) -> str:
    return "block" if number == 1 else "blocks"


# ---- times --------------------------------------------------------------------------------------------------------


def saves(name: str, seconds: float, interval: str) -> str:
    """`kexec saves 6.1 s a reboot [5.5 to 6.8 s, 95 %]`; negative where it costs time."""
    return f"{name} saves {seconds_text(seconds)} s a reboot {interval}"


def breaks_even(name: str, seconds: float, interval: str) -> str:
    """From which firmware on it pays."""
    if seconds <= 0:
        return f"{name} is the faster one even if firmware took no time: by {seconds_text(-seconds)} s"
    return f"{name} is the faster one where firmware takes more than {seconds_text(seconds)} s {interval}"


def busy(share: float) -> str:
    """Wall times of a busy host."""
    return (
        f"busy host: vCPUs waited in its run queue for {100 * share:.0f} % of the time in which they wanted to run; "
        "wall times say as much of the host as of the guest, vCPU times do not"
    )


def outliers(name: str, number: int, n: int, longest: float) -> str:
    """Times far off the others."""
    are = "is" if number == 1 else "are"
    return f"{name}: {number} of {n} times {are} far off the rest, up to {seconds_text(longest)} s; none is left out"


def two_groups(name: str, fast: float, slow: float, slow_share: float) -> str:
    """Times that have no middle."""
    return (
        f"{name}: times fall into two groups, around {seconds_text(fast)} and {seconds_text(slow)} s "
        f"({100 * slow_share:.0f} % in the slower): a median speaks for neither"
    )


# ---- what builds up -----------------------------------------------------------------------------------------------


def fails_with_depth(name: str, table: dict[int, tuple[int, int]], p_value: float) -> str:
    """Failures by kexecs in a row."""
    shown = list(table.items())[:MAX_DEPTHS]
    listed = ", ".join(f"{failed} of {cycles} after {depth}" for depth, (failed, cycles) in shown)
    more = ", ..." if len(table) > MAX_DEPTHS else ""
    return f"{name} fails more often the more kexecs went before in a row (p = {p_value:.2g}): {listed}{more}"


def per_kexec(name: str, verb: str, change: str, interval: str) -> str:
    """`each kexec in a row takes 0.12 s longer [0.08 to 0.15 s, 95 %]`."""
    return f"{name}: each one in a row {verb} {change} {interval}"


def changed(name: str, number: int, before: float, after: float) -> str:
    """A change point; the position counts the arm's cycles that passed, from 1."""
    return (
        f"{name}: total times changed around the {number}. cycle that passed, "
        f"from {seconds_text(before)} to {seconds_text(after)} s; the host may have"
    )


def first_failures(name: str, baseline: str, p_value: float, at_least: tuple[float, float]) -> str:
    """Cycles to the first failure of a machine."""
    return (
        f"machines reach their first failure at other times by {name} than by {baseline} (log-rank p = {p_value:.2g}); "
        f"cycles between failures are at least {at_least[0]:.3g} and {at_least[1]:.3g} on average (95 %)"
    )


# ---- two runs -----------------------------------------------------------------------------------------------------


def shifted(
    name: str,
    measure: str,
    *,
    against: str | None,
    numbers: tuple[float, float, float, float],
    slower: bool,
    tolerance: float,
) -> str:
    """A time of run B as a multiple of run A's; `numbers` are ratio, limits and p-value."""
    ratio, low, high, p_value = numbers
    what = {None: " as it stands", "rest": " against the rest of its cycle"}.get(against, f" against {against}'s")
    verdict = f": slower by more than {100 * tolerance:.3g} % (p = {p_value:.2g})" if slower else ""
    advice = "; the host's doing is in it, so it decides nothing" if against is None else ""
    interval = f"[{factor(low)}-{factor(high)}, 95 %]"
    return f"{name}: {measure.removesuffix('_s')} time{what} is {factor(ratio)} of A's {interval}{verdict}{advice}"


def new_class(name: str, failure: str, seen: tuple[int, int], before: int, p_value: float) -> str:
    """A failure class that only run B has."""
    chance = f"p = {p_value:.2g} if nothing has changed"
    return f"{name}: {failure} is new: {seen[0]} of {seen[1]}, 0 of {before} in A ({chance})"


def gone_class(name: str, failure: str, known: tuple[int, int], after: int) -> str:
    """A failure class that only run A has."""
    return f"{name}: {failure} is gone: {known[0]} of {known[1]} in A, 0 of {after}"


# ---- numbers ------------------------------------------------------------------------------------------------------


def percent(share: float) -> str:
    """A share as a percentage with two significant digits: `0.75`, `2.2`, `100`."""
    value = 100 * share
    if value == 0 or value >= 99.5:
        return f"{value:.3g}"
    digits = max(0, 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"


def seconds_text(value: float | None) -> str:
    """Seconds for people, three digits or so: `0.042`, `1.23`, `12.3`, `123`."""
    if value is None:
        return UNKNOWN
    size = abs(value)
    if size >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.3f}"


def factor(value: float) -> str:
    """A ratio of times: `0.72`, `0.051`, `13`."""
    return f"{value:.2f}" if 0.1 <= value < 10 else f"{value:.2g}"
