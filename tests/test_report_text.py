"""Reports as text: nothing of a guest acts as markup, columns and sizes hold."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from report_run import FILES, NET, RECORDS, REPORT, RUN, end, failed, rows

from harness.model import Cell, RunInfo
from harness.report import cycles_csv, markdown, summary_csv, terminal
from harness.report.summarise import summarise
from harness.report.text import visible
from harness.stats.sentences import percent, seconds_text


def tokens(document: str) -> list:
    found = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(document):
        found += [token, *(token.children or ())]
    return found


# ---- CSV ----------------------------------------------------------------------------------------------------

CONTRACT = (
    "run_id,cell_id,image,device_set,firmware,loader,machine,arch,accel,qemu_version,kernel_before,kernel_after,"
    "method,block,order,cycle,chain_depth,outcome,failure_class,path,total_s,shutdown_s,handoff_s,kernel_s,initrd_s,"
    "userspace_s,vcpu_s,downtime_s,started_at,console"
)


def test_columns_stand_in_the_order_promised():
    header = cycles_csv.render(REPORT).decode().splitlines()[0]
    assert header == f"{CONTRACT},firmware_s,loader_s,vcpu_wait_s,rule,reason,last_milestone,fault"
    summary = summary_csv.render(REPORT).decode().splitlines()[0]
    assert summary.startswith("cell_id,method,cycles,failed,invalid,failure_rate,ci_low,ci_high,median_s,p95_s,")


def test_times_keep_every_digit_and_unknown_is_empty():
    row = rows(cycles_csv.render(REPORT))[4]
    assert (row["vcpu_s"], row["total_s"]) == ("0.30000000000000004", "8.0")
    assert (row["shutdown_s"], row["downtime_s"], row["chain_depth"]) == ("", "", "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1+1"])
def test_a_spreadsheet_finds_no_formula(text):
    report = summarise(RUN, [failed(NET, "kexec", 0, reason=text)])
    assert rows(cycles_csv.render(report))[0]["reason"] == f"'{text}"


# ---- untrusted text -----------------------------------------------------------------------------------------

TEXT = st.text(st.characters(), max_size=40) | st.text("|`*_[]<>\\~&#:@=+-!/\x1b\r\n\t w.htps", max_size=40)


def with_text(text: str):
    return summarise(RUN, [failed(NET, "kexec", 0, reason=text, kernel_after=text, console=text), end(NET, "cold", 1)])


@given(TEXT)
@settings(max_examples=60, deadline=None)
def test_no_format_lets_a_control_character_through(text):
    report = with_text(text)
    for content in (*(module.render(report) for module in FILES), terminal.render(report)):
        assert all(char.isprintable() or char == "\n" for char in content.decode())
    in_colour = re.sub(r"\x1b\[[0-9;]*m", "", terminal.render(report, colour=True).decode())
    assert all(char.isprintable() or char == "\n" for char in in_colour)


@given(TEXT)
@settings(max_examples=60, deadline=None)
def test_csv_gives_back_the_visible_text(text):
    row = rows(cycles_csv.render(with_text(text)))[0]
    shown = visible(text)
    assert row["reason"] == (f"'{shown}" if shown[:1] in {*"=+-@", "\uff1d", "\uff0b", "\uff0d", "\uff20"} else shown)
    assert (row["rule"], row["last_milestone"]) == ("panic", "handoff")


@given(TEXT)
@example("_x_ *y* **z** ~~w~~")
@example("<b>x</b> &amp; <!-- x -->")
@example("[a](b) ![c](d) `e` \\* |")
@settings(max_examples=60, deadline=None)
def test_markdown_shows_text_and_nothing_else(text):
    """What a Markdown parser makes of a cell is the text itself, and no element that the text brought along."""
    report = with_text(text)
    inline = [token for token in tokens(markdown.render(report).decode()) if token.type == "inline"]
    at = next(number for number, token in enumerate(inline) if token.content == "kernel_panic")
    cell = inline[at + 1]
    assert {child.type for child in cell.children} <= {"text", "text_special"}
    assert "".join(child.content for child in cell.children) == visible(text).strip()


@pytest.mark.parametrize("link", ["http://x.example", "www.x.example", "mailto:a@b.c", ":smile:", "@someone", "$x$"])
def test_markdown_neither_links_nor_mentions(link):
    """What GitHub turns into a link, a mention, an emoji or a formula without any markup around it."""
    assert link not in markdown.render(with_text(link)).decode()


def test_terminal_shows_markup_as_it_is():
    assert "[bold]red[/bold]" in terminal.render(REPORT).decode()
    assert "\\x1b[31m\\x07\\x9b[bold]" in terminal.render(REPORT).decode()


# ---- sizes and shapes ---------------------------------------------------------------------------------------


def test_terminal_keeps_to_its_width():
    """But for paths, which must stay in one piece to be copied."""
    for width in (80, 100):
        for line in terminal.render(REPORT, width).decode().splitlines():
            assert len(line) <= width or line.strip().startswith("cells/"), line


def test_terminal_lists_the_first_20_failures_and_counts_the_rest():
    report = summarise(RUN, [failed(NET, "kexec", cycle, reason="x") for cycle in range(53)])
    text = terminal.render(report).decode()
    assert text.count(": fail kernel_panic") == 20
    assert "and 33 more; cycles.csv has all of them" in text


def test_terminal_has_colour_only_when_told():
    assert b"\x1b" not in terminal.render(REPORT)
    assert b"\x1b[1m" in terminal.render(REPORT, colour=True)


def test_a_run_without_an_end_says_so():
    run = RunInfo(**{**{name: getattr(RUN, name) for name in RUN.__struct_fields__}, "ended_at": None})
    assert "no end recorded: still running, or killed" in terminal.render(summarise(run, RECORDS)).decode()


def test_markdown_stays_below_the_limit_of_a_step_summary_and_says_that_it_was_cut():
    cells = [Cell(image=f"image-{i}", device_set="nvme") for i in range(120)]
    records = [failed(cell, "kexec", cycle, reason="|" * 400) for cell in cells for cycle in range(50)]
    content = markdown.render(summarise(RUN, records))
    assert 800 * 1024 < len(content) <= 900 * 1024
    assert content.endswith(b"\n\n**Cut here** for length: cycles.csv and summary.csv have everything.\n")


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0"), (0.0075, "0.75"), (0.02176, "2.2"), (0.5, "50"), (1, "100"), (0.000042, "0.0042"), (0.9963, "99.6")],
)
def test_percent(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0421, "0.042"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"), (0.0, "0.000")],
)
def test_seconds(value, text):
    assert seconds_text(value) == text
