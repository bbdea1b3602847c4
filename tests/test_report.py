"""Reports: golden files of every format, and what is counted where."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from report_run import FILES, NET, REPORT, RUN, end, rows, start

from harness.errors import StoreError
from harness.model import Cell, Outcome, Phases
from harness.report import cycles_csv, summary_csv, terminal
from harness.report.summarise import summarise
from harness.report.write import write_reports
from harness.stats.compare import Decision

GOLDEN = Path(__file__).parent / "testdata" / "reports"


def rounded(text: str) -> str:
    """Long fractions to nine digits: the last ones are the mathematical library's."""
    return re.sub(r"\d+\.\d{10,}", lambda match: f"{float(match.group()):.9g}", text)


# ---- golden files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", FILES, ids=lambda module: module.NAME)
def test_file(module, golden):
    golden(GOLDEN / module.FILE_NAME, rounded(module.render(REPORT).decode()))


def test_terminal(golden):
    golden(GOLDEN / "terminal.txt", terminal.render(REPORT).decode())


def test_every_format_has_a_file_of_its_own_and_a_golden_one():
    assert sorted(module.FILE_NAME for module in FILES) == ["cycles.csv", "report.md", "summary.csv"]
    assert {path.name for path in GOLDEN.iterdir()} == {*(module.FILE_NAME for module in FILES), "terminal.txt"}


# ---- what is counted ----------------------------------------------------------------------------------------


def test_counts_of_each_arm():
    kexec, cold = REPORT.cells[0].arms
    assert (kexec.method, kexec.cycles, kexec.failed, kexec.invalid, kexec.interrupted) == ("kexec", 4, 1, 0, 0)
    assert (cold.method, cold.cycles, cold.failed, cold.invalid, cold.interrupted) == ("cold", 3, 0, 2, 1)
    assert kexec.classes == {"kernel_panic": 1}
    assert (kexec.rate.rate, cold.rate.rate) == (0.25, 0.0)


def test_failures_are_not_in_the_times():
    kexec = REPORT.cells[0].arms[0]
    assert kexec.timings["total_s"].median.n == 3
    assert kexec.timings["total_s"].median.value == 10.0
    assert kexec.timings["total_s"].p95.value is None


def test_ratio_is_paired_by_blocks_in_which_both_passed():
    """Blocks 0 (10/16) and 3 (12.5/16); block 1 has a failure, block 2 an invalid cycle."""
    ratio = REPORT.cells[0].contrasts[0].ratios["total_s"]
    assert ratio.n_pairs == 2
    assert ratio.ratio == pytest.approx(0.6987712429686843)  # sqrt(0.625 * 0.78125)
    assert (ratio.low, ratio.high, ratio.level) == (pytest.approx(0.625), pytest.approx(0.78125), 0.5)


def test_a_phase_without_times_has_no_ratio():
    ratios = REPORT.cells[0].contrasts[0].ratios
    assert (ratios["firmware_s"].ratio, ratios["firmware_s"].n_pairs) == (None, 0)
    assert ratios["handoff_s"].ratio == pytest.approx(1 / 7)


def test_a_time_of_zero_is_in_the_median_but_has_no_ratio():
    zero = Phases(total_s=10.0, handoff_s=0.0)
    cell = summarise(RUN, [end(NET, "kexec", 0, phases=zero), end(NET, "cold", 1)]).cells[0]
    assert cell.arms[0].timings["handoff_s"].median.value == 0.0
    assert cell.contrasts[0].ratios["handoff_s"].n_pairs == 0


def test_an_interrupted_cycle_is_shown_as_invalid():
    assert [(found.cell_id, found.cycle) for found in REPORT.interrupted] == [(NET.cell_id, 8)]
    row = rows(cycles_csv.render(REPORT))[8]
    assert (row["cycle"], row["outcome"], row["failure_class"], row["path"]) == ("8", "invalid", "interrupted", "none")
    assert (row["image"], row["total_s"], row["console"]) == ("debian-13", "", "")


def test_a_cycle_run_again_after_a_resume_leaves_its_first_start_interrupted():
    first, again = start(NET, "kexec", 0), start(NET, "kexec", 0, started_at="2026-01-03T00:00:00+00:00")
    report = summarise(RUN, [first, again, end(NET, "kexec", 0, started_at=again.started_at)])
    assert report.interrupted == (first,)
    assert [row.outcome for row in report.cycles] == [Outcome.INVALID, Outcome.PASS]


def test_setup_is_no_arm_but_counted():
    nvme = REPORT.cells[1]
    assert [arm.method for arm in nvme.arms] == ["kexec", "cold"]
    assert nvme.setup_failed == 1
    assert [arm.invalid for arm in nvme.arms] == [0, 0]


def test_a_planned_cell_without_a_cycle_is_not_overlooked():
    assert REPORT.cells[2].arms == ()
    row = rows(summary_csv.render(REPORT))[-1]
    assert (row["cell_id"], row["method"], row["cycles"]) == ("debian-12+ahci+seabios", "", "0")
    assert "debian-12+ahci+seabios\n  no cycle was recorded\n" in terminal.render(REPORT).decode()


def test_records_of_a_cell_that_the_run_does_not_name_are_kept():
    stray = Cell(image="other", device_set="nvme")
    report = summarise(RUN, [end(stray, "kexec", 0), start(stray, "cold", 1)])
    assert (report.cells[-1].cell_id, report.cells[-1].cell, len(report.cycles)) == ("other+nvme+seabios", None, 2)


def test_one_arm_alone_is_not_compared():
    cell = summarise(RUN, [end(NET, "kexec", 0)]).cells[0]
    assert cell.contrasts == ()


def test_margin_reaches_the_decision():
    records = [end(NET, method, 2 * i + j) for i in range(20) for j, method in enumerate(("kexec", "cold"))]
    strict, loose = summarise(RUN, records), summarise(RUN, records, margin=0.5)
    assert strict.cells[0].contrasts[0].comparison.decision is Decision.UNDECIDED
    assert loose.cells[0].contrasts[0].comparison.decision is Decision.NO_WORSE


# ---- files --------------------------------------------------------------------------------------------------


def test_every_file_is_written_and_nothing_else_left(tmp_path):
    written = write_reports(REPORT, tmp_path)
    assert sorted(path.name for path in written) == ["cycles.csv", "report.md", "summary.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cycles.csv", "report.md", "summary.csv"]
    assert (tmp_path / "cycles.csv").read_bytes() == cycles_csv.render(REPORT)


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "cycles.csv").mkdir()
    with pytest.raises(StoreError, match=r"cycles\.csv: Is a directory"):
        write_reports(REPORT, tmp_path)
    assert not list(tmp_path.glob(".*"))
