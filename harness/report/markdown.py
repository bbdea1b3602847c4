"""report.md: for a pull request or a CI step summary, which cuts off hard at 1024 KiB."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from harness.report.model import CellReport, Report
from harness.report.text import (
    cell_notes,
    factor_lines,
    not_covered,
    quantile_text,
    rate_text,
    run_notes,
    time_notes,
    triage_lines,
    visible,
)
from harness.stats.sentences import UNKNOWN, factor, seconds_text

NAME = "markdown"
FILE_NAME = "report.md"

#: room is left for what else a step writes into the same summary
MAX_BYTES = 900 * 1024
#: cycles that did not pass, listed per cell
MAX_TROUBLES = 50
CUT = "**Cut here** for length: cycles.csv and summary.csv have everything."

# Characters that start markup anywhere in a line (CommonMark 0.31, GitHub's extensions), or would link on their own.
_MARKUP = re.compile(r"[\\`*_{}\[\]<>#!|~&@$]|:(?=[/a-z])|(?<=www)\.", re.IGNORECASE)

PHASE_TITLES = {
    "shutdown_s": "shutdown",
    "handoff_s": "hand-off",
    "firmware_s": "of it firmware",
    "loader_s": "of it loader",
    "kernel_s": "kernel",
    "initrd_s": "initrd",
    "userspace_s": "userspace",
    "vcpu_s": "vCPU",
}


def render(report: Report) -> bytes:
    """The whole file, as UTF-8, no longer than `MAX_BYTES`; a report cut for length says so."""
    return _fit(_lines(report))


def plain(text: str) -> str:
    """Untrusted text as text: markup characters become character references, which never act as markup."""
    return _MARKUP.sub(lambda match: f"&#{ord(match.group())};", visible(text))


def _fit(lines: Iterable[str]) -> bytes:
    """Whole lines as long as there is room; every table row stands by itself, so a cut breaks nothing."""
    room = MAX_BYTES - len(CUT.encode()) - 2
    kept: list[bytes] = []
    for line in lines:
        encoded = f"{line}\n".encode()
        room -= len(encoded)
        if room < 0:
            kept.append(f"\n{CUT}\n".encode())
            break
        kept.append(encoded)
    return b"".join(kept)


def _lines(report: Report) -> Iterator[str]:
    yield f"# kexec-harness run {plain(report.run.run_id)}"
    yield ""
    for note in run_notes(report.run):
        yield f"* {plain(note)}"
    yield f"* {plain(not_covered(report.run))}"
    yield ""
    yield from _row(
        "cell", "method", "cycles", "failed", "invalid", "failure rate [95 %]", "median s", "p95 s", "verdict"
    )
    yield from _row(*["---"] * 2, *["---:"] * 6, "---")
    for cell in report.cells:
        yield from _overview(cell)
    if len(report.cells) > 1 and report.factors:
        yield from _triage(report)
    for cell in report.cells:
        yield from _details(cell)


def _triage(report: Report) -> Iterator[str]:
    """Where to look first: nothing here decides anything."""
    for title, heads, rows in (
        ("Device sets, most failures first", ("device set", "failed", "rate [95 %]", "q"), triage_lines(report)),
        ("What failures go with", ("factor", "explains", "p", "failed by level"), factor_lines(report)),
    ):
        yield ""
        yield f"### {title}"
        yield ""
        yield from _row(*heads)
        yield from _row(*["---"] * len(heads))
        for row in rows:
            yield from _row(*(plain(value) for value in row))


def _overview(cell: CellReport) -> Iterator[str]:
    decisions = {contrast.method: contrast.comparison.decision for contrast in cell.contrasts}
    for arm in cell.arms:
        total = arm.timings["total_s"]
        decision = decisions.get(arm.method)
        yield from _row(
            plain(cell.cell_id),
            plain(arm.method),
            str(arm.cycles),
            str(arm.failed),
            str(arm.invalid),
            rate_text(arm.rate),
            quantile_text(total.median),
            quantile_text(total.p95),
            f"**{decision.value.replace('_', ' ')}**" if decision else "baseline",
        )
    if not cell.arms:
        yield from _row(plain(cell.cell_id), *[UNKNOWN] * 8)


def _details(cell: CellReport) -> Iterator[str]:
    yield ""
    yield f"## {plain(cell.cell_id)}"
    yield ""
    for contrast in cell.contrasts:
        yield f"* {plain(contrast.comparison.sentence)}"
        for note in time_notes(contrast):
            yield f"* {plain(note)}"
    for note in cell_notes(cell):
        yield f"* {plain(note)}"
    if cell.arms:
        yield ""
        yield from _row("median s", *PHASE_TITLES.values())
        yield from _row("---", *["---:"] * len(PHASE_TITLES))
    for arm in cell.arms:
        medians = [seconds_text(arm.timings[measure].median.value) for measure in PHASE_TITLES]
        yield from _row(plain(arm.method), *medians)
    for contrast in cell.contrasts:
        ratios = [contrast.ratios[measure].ratio for measure in PHASE_TITLES]
        shown = [UNKNOWN if ratio is None else factor(ratio) for ratio in ratios]
        yield from _row(plain(f"{contrast.method}/{contrast.baseline}"), *shown)
    if cell.troubles:
        yield from _troubles(cell)


def _troubles(cell: CellReport) -> Iterator[str]:
    yield ""
    yield from _row("cycle", "method", "outcome", "class", "reason", "console")
    yield from _row("---:", *["---"] * 5)
    for end in cell.troubles[:MAX_TROUBLES]:
        failure = end.failure_class.value if end.failure_class else UNKNOWN
        console = plain(end.console) if end.console is not None else UNKNOWN
        yield from _row(str(end.cycle), plain(end.method), end.outcome.value, failure, plain(end.reason), console)
    if (more := len(cell.troubles) + cell.unlisted - MAX_TROUBLES) > 0:
        yield ""
        yield f"And {more} more; cycles.csv has all of them."


def _row(*cells: str) -> Iterator[str]:
    yield f"| {' | '.join(cells)} |"
