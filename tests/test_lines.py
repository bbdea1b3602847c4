"""Console text to lines: escapes out, lengths bounded, any split gives the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.classify.lines import MAX_LINE, LineAssembler, clean


def test_escapes_as_systemd_prints_them_are_taken_out():
    assert (
        clean("\x1b[!p\x1b]104\x07\x1b[?7h[    6.294101] systemd[1]: systemd 257")
        == "[    6.294101] systemd[1]: systemd 257"
    )
    assert clean("[\x1b[0;32m  OK  \x1b[0m] Reached target") == "[  OK  ] Reached target"
    assert clean("\r[    0.000000] Linux version 6.1\r") == "[    0.000000] Linux version 6.1"


def test_an_unfinished_escape_does_not_swallow_the_line():
    assert clean("\x1b]0;title without an end Kernel panic").endswith("Kernel panic")


@given(st.text(alphabet="ab\n\r\x1b[0m", max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_any_split_gives_the_same_lines(text, cuts):
    whole = LineAssembler()
    expected = whole.feed(text) + whole.finish()
    pieces, found, start = LineAssembler(), [], 0
    for cut in [*sorted(cuts), len(text)]:
        found += pieces.feed(text[start:cut])
        start = max(start, cut)
    assert found + pieces.finish() == expected


def test_a_line_without_end_is_cut():
    lines = LineAssembler()
    for _ in range(100):
        lines.feed("x" * 1000)
    assert [len(line.text) for line in lines.finish()] == [MAX_LINE]
