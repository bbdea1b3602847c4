"""Tables and figures as text: a number always with what it is worth."""

from __future__ import annotations

from collections.abc import Sequence

from harness.stats.duration import Ratio, quantile
from harness.stats.proportion import LEVEL, rate, upper_bound

UNKNOWN = "-"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table that is also readable as plain text; columns of numbers stand to the right."""
    cells = [[_text(value) for value in row] for row in rows]
    # A rule is at least `--:`.
    widths = [max(3, *(len(line[i]) for line in [list(header), *cells])) for i in range(len(header))]
    right = [bool(cells) and all(_is_figure(row[i]) for row in cells) for i in range(len(header))]

    def line(values: Sequence[str]) -> str:
        padded = [
            value.rjust(width) if to_right else value.ljust(width)
            for value, width, to_right in zip(values, widths, right, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = [f"{'-' * (width - 1)}{':' if to_right else '-'}" for width, to_right in zip(widths, right, strict=True)]
    return "\n".join([line(list(header)), line(rule), *(line(row) for row in cells)])


def _text(value: object) -> str:
    return UNKNOWN if value is None else str(value).replace("|", "/")


def _is_figure(text: str) -> bool:
    return text == UNKNOWN or text[:1].isdigit() or (text[:1] in "-+" and text[1:2].isdigit())


def figures(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, never in powers of ten."""
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:.0f}"
    text = f"{value:.{digits}g}"
    return text if "e" not in text else f"{value:.6f}".rstrip("0")


def median(values: Sequence[float], unit: float = 1.0) -> str:
    """The median of the values / unit with its 95 % interval, as far as their number supports one."""
    if not values:
        return UNKNOWN
    found = quantile([value / unit for value in values], 0.5)
    if found.value is None:
        return UNKNOWN
    if found.low is None or found.high is None:
        return figures(found.value)
    return f"{figures(found.value)} [{figures(found.low)}, {figures(found.high)}]"


def share(count: int, n: int) -> str:
    """How many of n, and the exact 95 % interval of the rate in per cent."""
    found = rate(count, n)
    if found.low is None or found.high is None:
        return UNKNOWN
    return f"{count}/{n} [{100 * found.low:.0f}, {100 * found.high:.0f}] %"


def none_of(n: int) -> str:
    """What "never seen" is worth: the rate that it rules out."""
    bound = upper_bound(0, n)
    return UNKNOWN if bound is None else f"0 of {n}: below {figures(100 * bound, 2)} % ({100 * LEVEL:.0f} %)"


def times(ratio: Ratio) -> str:
    """A paired ratio with its interval and the level that the number of pairs gives it."""
    if ratio.ratio is None:
        return UNKNOWN
    if ratio.low is None or ratio.high is None or ratio.level is None:
        return f"{figures(ratio.ratio)} (one pair)"
    return f"{figures(ratio.ratio)} [{figures(ratio.low)}, {figures(ratio.high)}] ({100 * ratio.level:.0f} %)"
