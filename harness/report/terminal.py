"""The summary a person decides from, on a terminal or as plain text in a log; readable at 80 columns."""

from __future__ import annotations

import io

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.model import CycleEnd
from harness.report.model import CellReport, Contrast, Report
from harness.report.text import (
    cell_notes,
    cycle_title,
    factor_lines,
    not_covered,
    quantile_text,
    rate_text,
    run_notes,
    time_notes,
    triage_lines,
    visible,
)
from harness.stats.compare import Decision
from harness.stats.sentences import UNKNOWN, factor, seconds_text

NAME = "terminal"
#: not kept as a file
FILE_NAME = None

WIDTH = 80
#: cycles that did not pass, listed per cell; cycles.csv has all
MAX_TROUBLES = 20
INDENT = (0, 0, 0, 2)

PHASE_TITLES = {
    "shutdown_s": "shutdown",
    "handoff_s": "hand-off",
    "firmware_s": "firmware",
    "loader_s": "loader",
    "kernel_s": "kernel",
    "initrd_s": "initrd",
    "userspace_s": "userspace",
    "vcpu_s": "vCPU",
}
RANKING_HEADS = ("device set", "failed", "rate [95 %]", "q")
FACTOR_HEADS = ("factor", "explains", "p", "failed by level")
DECISION_STYLE = {Decision.WORSE: "bold red", Decision.NO_WORSE: "bold green", Decision.UNDECIDED: "bold yellow"}


def render(report: Report, width: int = WIDTH, *, colour: bool = False) -> bytes:
    """The summary as UTF-8, `width` columns wide; without `colour` it is plain text, free of escapes."""
    text = io.StringIO()
    console = Console(
        file=text,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
    console.print(Text(f"kexec-harness run {visible(report.run.run_id)}", "bold"))
    for note in run_notes(report.run):
        _sentence(console, note)
    for cell in report.cells:
        _cell(console, cell)
    if len(report.cells) > 1:
        _overview(console, report)
    console.print()
    console.print(Text(not_covered(report.run)))
    lines = text.getvalue().splitlines()
    return "".join(f"{line if colour else line.rstrip()}\n" for line in lines).encode()


def _cell(console: Console, cell: CellReport) -> None:
    console.print()
    console.print(Text(visible(cell.cell_id), "bold"))
    if cell.arms:
        console.print(Padding(_arms(cell), INDENT))
        console.print()
        console.print(Padding(_phases(cell), INDENT))
        console.print()
    for contrast in cell.contrasts:
        _contrast(console, contrast)
    for note in cell_notes(cell):
        _sentence(console, note)
    _troubles(console, cell.troubles, cell.unlisted)


def _contrast(console: Console, contrast: Contrast) -> None:
    comparison = contrast.comparison
    _sentence(console, visible(comparison.sentence), DECISION_STYLE[comparison.decision])
    for note in time_notes(contrast):
        _sentence(console, visible(note))


def _shown(decision: Decision) -> str:
    return f"{decision.value.replace('_', ' '):9}"


def _table(*titles: str, gap: int) -> Table:
    """A bare table: its first column is text, the others are numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="dim")
    for number, title in enumerate(titles):
        table.add_column(title, justify="right" if number else "left", overflow="fold")
    return table


def _arms(cell: CellReport) -> Table:
    table = _table("method", "cycles", "failed", "invalid", "failure rate [95 %]", "median s", "p95 s", gap=2)
    for arm in cell.arms:
        total = arm.timings["total_s"]
        table.add_row(
            Text(visible(arm.method)),
            str(arm.cycles),
            Text(str(arm.failed), "bold red" if arm.failed else ""),
            Text(str(arm.invalid), "bold yellow" if arm.invalid else ""),
            rate_text(arm.rate),
            quantile_text(total.median),
            quantile_text(total.p95),
        )
    return table


def _phases(cell: CellReport) -> Table:
    table = _table("median s", *PHASE_TITLES.values(), gap=1)
    for arm in cell.arms:
        medians = [seconds_text(arm.timings[measure].median.value) for measure in PHASE_TITLES]
        table.add_row(Text(visible(arm.method)), *medians)
    for contrast in cell.contrasts:
        ratios = [contrast.ratios[measure].ratio for measure in PHASE_TITLES]
        shown = [UNKNOWN if ratio is None else factor(ratio) for ratio in ratios]
        table.add_row(Text(visible(f"{contrast.method}/{contrast.baseline}"), "dim"), *shown)
    return table


def _troubles(console: Console, troubles: tuple[CycleEnd, ...], unlisted: int) -> None:
    if not troubles:
        return
    console.print()
    _sentence(console, "Cycles that did not pass:", "bold")
    for end in troubles[:MAX_TROUBLES]:
        _sentence(console, cycle_title(end))
        console.print(Padding(Text(visible(end.reason)), (0, 0, 0, 4)))
        if end.console is not None:
            # On one line whatever the width, so that it can be copied.
            console.print(Text(f"    {visible(end.console)}"), soft_wrap=True)
    if (more := len(troubles) + unlisted - MAX_TROUBLES) > 0:
        _sentence(console, f"and {more} more; cycles.csv has all of them")


def _overview(console: Console, report: Report) -> None:
    console.print()
    console.print(Text("All cells", "bold"))
    for cell in report.cells:
        for contrast in cell.contrasts:
            decision = contrast.comparison.decision
            line = f"{_shown(decision)}  {visible(cell.cell_id)} {visible(contrast.method)}"
            _sentence(
                console,
                line + (f"  q = {contrast.q_value:.2g}" if contrast.q_value < 1 else ""),
                DECISION_STYLE[decision],
            )
        if not cell.contrasts:
            _sentence(console, f"{UNKNOWN:9}  {visible(cell.cell_id)}")
    _triage(console, report)


def _triage(console: Console, report: Report) -> None:
    """Where to look first: nothing here decides anything."""
    ranking, factors = list(triage_lines(report)), list(factor_lines(report))
    for title, heads, rows in (
        ("Device sets, most failures first (drawn towards what is usual; for triage)", RANKING_HEADS, ranking),
        ("What failures go with", FACTOR_HEADS, factors),
    ):
        if rows and report.factors:
            console.print()
            console.print(Text(title, "bold"))
            table = _table(*heads, gap=2)
            for row in rows:
                table.add_row(*(Text(value) for value in row))
            console.print(Padding(table, INDENT))


def _sentence(console: Console, text: str, style: str = "") -> None:
    console.print(Padding(Text(text, style), INDENT))
