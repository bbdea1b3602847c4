"""The pure parts of benchmarks/: records, tables, figures; and the programs for the guest, which must parse."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from paths import PROJECT

from benchmarks.ledger import Ledger, read_ledger
from benchmarks.records import number, parse
from benchmarks.tables import figures, median, none_of, share, table, times
from harness.stats.duration import paired_ratio

PROGRAMS = sorted((PROJECT / "benchmarks/guest").iterdir())


def test_records_have_numbers_where_they_are_numbers():
    [record], stray = parse("call=-s\theld_kib=93068\tseconds=2.5\tsaid=\n\n")
    assert record == {"call": "-s", "held_kib": 93068, "seconds": 2.5, "said": ""}
    assert stray is None
    assert number(record, "seconds") == 2.5


@pytest.mark.parametrize("line", ["Segmentation fault", "call=-s\tkilled", "=1"])
def test_any_other_line_is_given_apart_with_what_was_found_before_it(line):
    assert parse(f"call=-s\n{line}\ncall=-c\n") == ([{"call": "-s"}], line)


@pytest.mark.parametrize("name", ["call", "seconds"])
def test_a_missing_number_is_an_error_and_never_zero(name):
    with pytest.raises(ValueError, match="not a number"):
        number({"call": "-s"}, name)


def test_the_ledger_only_grows(tmp_path):
    path = tmp_path / "bench/time.jsonl"
    for seconds in (1.5, 2.5):
        Ledger(path, image="debian-13").add(record="load", seconds=seconds)
    assert [(record["image"], record["seconds"]) for record in read_ledger(path)] == [
        ("debian-13", 1.5),
        ("debian-13", 2.5),
    ]


def test_a_table_is_markdown_with_its_numbers_to_the_right():
    assert table(["call", "n"], [["a|b", 5], ["classic", None]]) == (
        "| call    |   n |\n| ------- | --: |\n| a/b     |   5 |\n| classic |   - |"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (93068, "93068"), (151.6, "152"), (9.87654, "9.88"), (0.0123456, "0.0123"), (0.00001234, "0.000012")],
)
def test_figures_have_three_digits_and_no_powers(value, text):
    assert figures(value) == text


def test_a_median_has_an_interval_only_if_there_are_enough_values():
    assert median([]) == "-"
    assert median([3.0, 1.0, 2.0]) == "2"
    assert median([1024.0, 2048.0, 3072.0, 4096.0, 5120.0, 6144.0], 1024) == "3.5 [1, 6]"


def test_a_share_has_its_exact_interval():
    # Clopper-Pearson by hand: 1 - 0.025 ** (1 / 10) = 0.308
    assert share(0, 10) == "0/10 [0, 31] %"
    assert share(10, 10) == "10/10 [69, 100] %"
    assert share(0, 0) == "-"


def test_never_seen_is_worth_the_rule_of_three():
    # 1 - 0.05 ** (1 / 300) = 0.00994
    assert none_of(300) == "0 of 300: below 0.99 % (95 %)"


def test_a_ratio_says_how_sure_it_is():
    assert times(paired_ratio([])) == "-"
    assert times(paired_ratio([(2.0, 1.0)])) == "2 (one pair)"
    assert times(paired_ratio([(2.0, 1.0)] * 6)) == "2 [2, 2] (95 %)"


@pytest.mark.skipif(shutil.which("perl") is None, reason="no perl here; every Debian guest has one")
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_a_guest_program_parses(path):
    done = subprocess.run(
        ["perl", f"-I{path.parent}", "-c", path], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
