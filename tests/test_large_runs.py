"""Runs read a cell at a time: the same numbers as all at once, in little memory and time."""

from __future__ import annotations

import time

import msgspec
import pytest
from large_run import write_large_run
from report_run import NET, RUN, end, failed, start

from harness.cli import run
from harness.errors import StoreError
from harness.model import SETUP, Outcome
from harness.report import markdown, summary_csv, terminal
from harness.report.summarise import summarise, summarise_large
from harness.store import CellStore, create_run, read_large_run, read_run, write_run


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Four cells, 2,000 records."""
    return write_large_run(tmp_path_factory.mktemp("results"), cells=4, blocks=125)


def test_all_formats_are_the_same_cell_by_cell(large):
    whole, parts = summarise(*read_run(large)), summarise_large(*read_large_run(large))
    for render in (terminal.render, summary_csv.render, markdown.render):
        assert render(whole) == render(parts)
    assert (len(whole.cycles), parts.cycles) == (1000, ())


def test_interrupted_set_up_and_torn_cycles_are_the_same(tmp_path):
    folder = create_run(tmp_path, "r1")
    write_run(folder, RUN)
    with CellStore(folder, NET.cell_id) as store:
        for record in (
            end(NET, SETUP, 0, outcome=Outcome.INVALID),
            start(NET, "kexec", 0),
            start(NET, "kexec", 0),
            failed(NET, "kexec", 0),
            start(NET, "cold", 1),
            end(NET, "cold", 1),
            start(NET, "kexec", 2),
        ):
            store.append(record)
    with (store.folder / "cycles.jsonl").open("ab") as file:
        file.write(b'{"record":"end","cell')
    whole, parts = summarise(*read_run(folder)), summarise_large(*read_large_run(folder))
    assert terminal.render(whole) == terminal.render(parts)
    assert [start.cycle for start in parts.interrupted] == [0, 2]


def test_failures_beyond_what_is_listed_are_counted(large):
    found = summarise_large(*read_large_run(large, listed=0))
    failures = [sum(arm.failed for arm in cell.arms) for cell in found.cells]
    assert [cell.unlisted for cell in found.cells] == failures
    assert sum(failures) > 0


def test_a_broken_line_is_named(large, tmp_path):
    broken = create_run(tmp_path, "r1")
    write_run(broken, RUN)
    (broken / "cells" / "x").mkdir(parents=True)
    (broken / "cells" / "x" / "cycles.jsonl").write_bytes(msgspec.json.encode(start(NET, "kexec", 0)) + b"\n{}\n")
    with pytest.raises(StoreError, match=r"cycles\.jsonl:2: "):
        summarise_large(*read_large_run(broken))


def test_the_summary_alone_writes_nothing(large, capsys):
    assert run(["report", str(large), "--summary-only", "--firmware-seconds", "180"]) == 0
    assert "kexec-harness run large" in capsys.readouterr().out
    assert not (large / "cycles.csv").exists()


def test_time_grows_with_the_run_and_no_faster(large):
    """2,000 records in a fraction of a second; benchmarks/test_analysis.py does a million."""
    begun = time.process_time()
    summarise_large(*read_large_run(large))
    assert time.process_time() - begun < 3
