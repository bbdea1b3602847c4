"""Reports: golden files of every format, what is counted where, and that nothing of a guest acts as markup."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import harness.report
from harness.errors import StoreError
from harness.model import (
    SETUP,
    Accel,
    BootPath,
    Cell,
    CycleEnd,
    CycleStart,
    FailureClass,
    Firmware,
    Milestone,
    Outcome,
    Phases,
    RunInfo,
)
from harness.registry import members
from harness.report import cycles_csv, markdown, summary_csv, terminal
from harness.report.summarise import summarise
from harness.report.text import percent, seconds_text, visible
from harness.report.write import write_reports
from harness.stats.compare import Decision

GOLDEN = Path(__file__).parent / "testdata" / "reports"

NET = Cell(image="debian-13", device_set="virtio-net")
NVME = Cell(image="debian-12", device_set="nvme", firmware=Firmware.OVMF)
IDLE = Cell(image="debian-12", device_set="ahci")

RUN = RunInfo(
    run_id="20260102T030405Z-1f2e",
    harness_version="0.1.0",
    started_at="2026-01-02T03:04:05+00:00",
    ended_at="2026-01-02T04:05:06+00:00",
    exit_status=0,
    seed=42,
    accel=Accel.TCG,
    accel_reason="/dev/kvm opens, but nothing boots under it",
    qemu_version="7.2.15",
    cells=(NET, NVME, IDLE),
)

#: all that a guest might print to be taken for something else
HOSTILE = '=HYPERLINK("http://x") \x1b[31m\x07\x9b[bold]red[/bold] |a|b| <script>*x*</script> `c` \u202egnp\r\n- @me'

KEXEC = Phases(total_s=10.0, shutdown_s=2.0, handoff_s=1.0, kernel_s=3.0, initrd_s=1.5, userspace_s=2.5)
COLD = Phases(
    total_s=16.0,
    shutdown_s=2.0,
    handoff_s=7.0,
    firmware_s=4.0,
    loader_s=3.0,
    kernel_s=3.0,
    initrd_s=1.5,
    userspace_s=2.5,
)


def start(cell: Cell, method: str, cycle: int, **other) -> CycleStart:
    fixed = {"block": cycle // 2, "order": cycle % 2, "nonce": "n", "started_at": f"2026-01-02T03:{cycle:02d}:00+00:00"}
    return CycleStart(cell_id=cell.cell_id, cycle=cycle, method=method, **(fixed | other))


def end(cell: Cell, method: str, cycle: int, **other) -> CycleEnd:
    """A cycle that passed, of 10 s by kexec or 16 s cold; two cycles make a block."""
    fixed = {
        "run_id": RUN.run_id,
        "image": cell.image,
        "device_set": cell.device_set,
        "firmware": cell.firmware.value,
        "loader": cell.loader.value,
        "machine": cell.machine,
        "arch": cell.arch,
        "accel": "tcg",
        "qemu_version": "7.2.15",
        "block": cycle // 2,
        "order": cycle % 2,
        "outcome": Outcome.PASS,
        "failure_class": None,
        "path": BootPath.KEXEC if method == "kexec" else BootPath.FIRMWARE,
        "started_at": f"2026-01-02T03:{cycle:02d}:00+00:00",
        "rule": "proven",
        "reason": "booted",
        "kernel_before": "6.12.1",
        "kernel_after": "6.12.1",
        "phases": KEXEC if method == "kexec" else COLD,
        "vcpu_s": 8.5,
        "last_milestone": Milestone.READY,
        "console": f"cells/{cell.cell_id}/console/{cycle:06d}-{method}.log",
    }
    return CycleEnd(cell_id=cell.cell_id, method=method, cycle=cycle, **(fixed | other))


def failed(cell: Cell, method: str, cycle: int, **other) -> CycleEnd:
    fixed = {
        "outcome": Outcome.FAIL,
        "failure_class": FailureClass.KERNEL_PANIC,
        "rule": "panic",
        "reason": HOSTILE,
        "last_milestone": Milestone.HANDOFF,
        # A failure can have come as far as a time; it must not be among the times.
        "phases": Phases(total_s=999.0),
    }
    return end(cell, method, cycle, **(fixed | other))


RECORDS = (
    start(NET, "kexec", 0),
    end(NET, "kexec", 0),
    start(NET, "cold", 1),
    end(NET, "cold", 1),
    start(NET, "cold", 2),
    end(NET, "cold", 2),
    start(NET, "kexec", 3),
    failed(NET, "kexec", 3, kernel_before=HOSTILE),
    end(NET, "kexec", 4, phases=Phases(total_s=8.0), vcpu_s=0.1 + 0.2),
    end(NET, "cold", 5, outcome=Outcome.INVALID, failure_class=FailureClass.INFRASTRUCTURE, reason="no disk space"),
    end(NET, "kexec", 6, phases=Phases(total_s=12.5)),
    end(NET, "cold", 7),
    start(NET, "cold", 8),
    end(NVME, SETUP, 0, outcome=Outcome.INVALID, failure_class=FailureClass.INFRASTRUCTURE, reason="did not come up"),
    end(NVME, "kexec", 0),
    end(NVME, "cold", 1),
)

REPORT = summarise(RUN, RECORDS)
FILES = [module for module in members(harness.report).values() if module.FILE_NAME is not None]


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def rounded(text: str) -> str:
    """Long fractions to nine digits: the last ones are the mathematical library's."""
    return re.sub(r"\d+\.\d{10,}", lambda match: f"{float(match.group()):.9g}", text)


def tokens(document: str) -> list:
    found = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(document):
        found += [token, *(token.children or ())]
    return found


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


# ---- CSV ----------------------------------------------------------------------------------------------------

CONTRACT = (
    "run_id,cell_id,image,device_set,firmware,loader,machine,arch,accel,qemu_version,kernel_before,kernel_after,"
    "method,block,order,cycle,chain_depth,outcome,failure_class,path,total_s,shutdown_s,handoff_s,kernel_s,initrd_s,"
    "userspace_s,vcpu_s,downtime_s,started_at,console"
)


def test_columns_stand_in_the_order_promised():
    header = cycles_csv.render(REPORT).decode().splitlines()[0]
    assert header == f"{CONTRACT},firmware_s,loader_s,vcpu_wait_s,rule,reason,last_milestone"
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
