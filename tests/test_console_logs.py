"""Recorded console logs get exactly the verdicts that their headers name; `--update-testdata` rewrites the headers.

`tests/testdata/console/<class>/<name>.log`; what lies in `pass/` must not match any rule that ends a boot.
"""

from __future__ import annotations

import gzip
import itertools
import json
import random
import time
import tracemalloc
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.classify.lines import LineAssembler
from harness.classify.log import judge_log
from harness.classify.recorded import GIVEN, JUDGED, judged_fields, parse, render
from harness.cli import cli
from harness.errors import ConfigError
from harness.model import BootPath, FailureClass

LOGS = sorted((Path(__file__).parent / "testdata" / "console").glob("*/*.log"))
#: what does not depend on how lines end
MEANING = ("outcome", "class", "rule", "stage", "blame", "path")

each_log = pytest.mark.parametrize("path", LOGS, ids=[f"{path.parent.name}/{path.stem}" for path in LOGS])


@each_log
def test_the_verdict_is_the_one_of_the_header(path, request):
    log = parse(path.read_bytes(), path)
    if request.config.getoption("--update-testdata"):
        path.write_bytes(render(log.console, {key: log.fields[key] for key in GIVEN if key in log.fields}, path))
        log = parse(path.read_bytes(), path)
    assert {key: log.fields[key] for key in JUDGED if key in log.fields} == judged_fields(log)
    assert path.parent.name == log.fields.get("class", log.fields["outcome"])


@each_log
def test_any_split_of_the_bytes_gives_the_same_lines(path):
    """A log's verdict is made from its lines: one byte at a time and any other pieces give the same."""
    text = path.read_bytes().decode("latin-1")
    whole, bytewise, pieces = LineAssembler(), LineAssembler(), LineAssembler()
    expected = whole.feed(text) + whole.finish()
    assert [line for byte in text for line in bytewise.feed(byte)] + bytewise.finish() == expected
    cuts = sorted(random.Random(path.name).sample(range(len(text)), min(len(text), 50)))  # no secret
    found = [line for start, end in itertools.pairwise([0, *cuts, len(text)]) for line in pieces.feed(text[start:end])]
    assert found + pieces.finish() == expected


@each_log
def test_the_kind_of_line_end_does_not_matter(path):
    log = parse(path.read_bytes(), path)
    header = log.content[: len(log.content) - len(log.console)]
    lines = log.console.replace(b"\r", b"\n").split(b"\n")
    for end in (b"\n", b"\r", b"\r\r\n", b"\n\r"):
        judged = judged_fields(parse(header + end.join(lines), path))
        assert {key: judged.get(key) for key in MEANING} == {key: log.fields.get(key) for key in MEANING}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"# outcome: pass\n# colour: red\n# source: x\n", "colour"),
        (b"# outcome: pass\n# outcome: fail\n# source: x\n", "twice"),
        (b"# outcome: pass\nno more header\n", "source"),
    ],
)
def test_a_header_that_is_not_understood_is_refused(content, said):
    with pytest.raises(ConfigError, match=said):
        parse(content, Path("some.log"))


def test_an_empty_log_is_neither_a_pass_nor_a_failure(tmp_path):
    empty = tmp_path / "empty.log"
    empty.write_bytes(b"")
    result = CliRunner().invoke(cli, ["classify", str(empty)], standalone_mode=False)
    assert result.return_value == 3
    assert "invalid infrastructure: the log is empty: there is nothing to judge" in result.output


def test_the_command_judges_each_file_and_prints_an_object_for_each(tmp_path):
    good, bad = tmp_path / "good.log", tmp_path / "bad.log"
    good.write_bytes(b"[    0.000000] Linux version 6.1\n[    5.000000] Run /init as init process\nguest login: ")
    bad.write_bytes(b"[    0.000000] Linux version 6.1\n[    1.000000] Kernel panic - not syncing: \x1b[31mx\n")
    result = CliRunner().invoke(cli, ["classify", "--json", str(good), str(bad)], standalone_mode=False)
    passed, failed = (json.loads(line) for line in result.output.splitlines())
    assert result.return_value == 1
    assert (passed["file"], passed["outcome"], passed["failure_class"]) == (str(good), "pass", None)
    assert (failed["failure_class"], failed["stage"], failed["blame"]) == ("early_panic", "kernel", "incoming_kernel")
    assert failed["span"] == {"offset": 33, "length": 49, "line": 2}
    assert {"file", "path", "rule", "confidence"} < set(failed)


def test_a_log_that_cannot_be_read_is_said_and_the_others_are_judged(tmp_path):
    good = tmp_path / "good.log"
    good.write_bytes(b"[    0.000000] Linux version 6.1\nguest login: ")
    damaged = tmp_path / "damaged.log.gz"
    damaged.write_bytes(b"\x1f\x8bnothing")
    missing = tmp_path / "missing.log"
    result = CliRunner().invoke(cli, ["classify", str(missing), str(damaged), str(good)], standalone_mode=False)
    assert result.return_value == 3
    assert "good.log: pass" in result.output
    assert f"{missing}: No such file" in result.stderr
    assert f"{damaged}: damaged" in result.stderr


#: what collectors put before each line
BEFORE = {
    "iso": b"2026-01-02T03:04:05.678Z ",
    "brackets": b"[2026-01-02 03:04:05] ",
    "libvirt": b"2026-01-02 03:04:05.678+0000: ",
    "ctime": b"[Fri Jan  2 03:04:05 2026] ",
    "level": b"<4>",
    "ts": b"Jan  2 03:04:05 ",
    "clock": b"[03:04:05.678] ",
    "host": b"host1: ",
    "compose": b"web-1  | ",
    "kubernetes": b"2026-01-02T03:04:05.678901234Z stdout F ",
    "epoch and host": b"1767323045.678 host1: ",
}


@pytest.mark.parametrize("before", ["", *BEFORE])
def test_what_a_collector_puts_before_each_line_of_a_short_log_does_not_matter(before):
    lines = [
        b"[    0.000000] Linux version 6.1",
        b"[    5.000000] Run /init as init process",
        b"ALERT!  LABEL=x does not exist.  Dropping to a shell!",
    ]
    judged = judge_log([b"".join(BEFORE.get(before, b"") + line + b"\r\n" for line in lines)]).verdict
    assert (judged.failure_class, judged.span.line) == (FailureClass.ROOT_NOT_FOUND, 3)


@each_log
def test_a_collectors_prefix_changes_no_recorded_verdict(path):
    """Each log with one kind of prefix, another one for each log; the span still points into the file."""
    log = parse(path.read_bytes(), path)
    name = list(BEFORE)[LOGS.index(path) % len(BEFORE)]
    console = log.console.replace(b"\r", b"")
    plain, prefixed = (
        judge_log(
            [b"\n".join(before + line for line in console.split(b"\n"))],
            expected=BootPath(log.fields["expect"]) if "expect" in log.fields else None,
            baseline=frozenset() if "warnings" in log.fields else None,
        ).verdict
        for before in (b"", BEFORE[name])
    )
    assert prefixed.rule == log.fields["rule"]
    if log.fields["rule"] != "nothing-to-judge" and "dates" not in path.stem:
        assert (prefixed.failure_class, prefixed.path, prefixed.stage) == (plain.failure_class, plain.path, plain.stage)
        assert (prefixed.span.line if prefixed.span else None) == (plain.span.line if plain.span else None)


def test_a_collectors_own_lines_are_no_text_between_the_kernels():
    lines = (Path(__file__).parent / "testdata/console/pass/kexec-arm64-earlycon.log").read_bytes().splitlines()
    marks = b"[-- MARK -- Mon Nov 24 08:00:00 2026]", b"[SOL Session operational.  Use ~? for help]"
    judged = judge_log([b"\n".join(line for pair in zip(lines, marks * len(lines)) for line in pair)])  # noqa: B905
    assert (judged.verdict.outcome, judged.verdict.path) == ("pass", BootPath.KEXEC)


def test_a_packed_log_on_standard_input_is_unpacked():
    log = (Path(__file__).parent / "testdata/console/pass/kexec-arm64-earlycon.log").read_bytes()
    for content in (log, gzip.compress(log), gzip.compress(log[:500]) + gzip.compress(log[500:])):
        result = CliRunner().invoke(cli, ["classify", "-"], input=content, standalone_mode=False)
        assert (result.return_value, "pass" in result.output, "path kexec" in result.output) == (0, True, True)
    result = CliRunner().invoke(cli, ["classify", "-"], input=gzip.compress(log)[:-20], standalone_mode=False)
    assert (result.return_value, "damaged" in result.stderr) == (3, True)


def test_a_units_name_is_shown_in_its_own_script(tmp_path):
    log = Path(__file__).parent / "testdata/console/degraded/unit-name-utf-8.log"
    result = CliRunner().invoke(cli, ["classify", str(log)], standalone_mode=False)
    assert "failed units: café.service - Café ☕\n" in result.output


BOOTED = b"[    0.000000] Linux version 6.1\n[    9.000000] Run /init as init process\n"


@pytest.mark.parametrize(
    "unit",
    [
        b"GRUB loading.\n" * 4990 + b"[  OK  ] x\n",
        b"GRUB loading.\n",
        b"[    0.000000] Linux version 6.1\n" + b"x\n" * 6000,
        b"[    0.000000] Linux version 6.1\n[    1.000000] x\n" + b"GRUB loading.\n" * 4000,
        b"".join(b"GRUB loading.\n[%5d.000000] x\n" % (20000 - number) for number in range(20000)),
    ],
    ids=["loader-then-unit", "loader", "banner-then-text", "banner-then-loader", "times-that-fall"],
)
def test_no_line_makes_the_reader_look_at_all_that_follow_it(unit):
    """Whatever a hostile log holds, a line of it costs at most ten times what one of any other log does."""

    def seconds_a_line(unit, lines=40_000):
        text = unit * (lines // unit.count(b"\n") + 1)
        start = time.process_time()
        judge_log([BOOTED, text])
        return (time.process_time() - start) / text.count(b"\n")

    assert seconds_a_line(unit) < 10 * seconds_a_line(b"[    9.500000] some driver: speaks\n")


def test_units_that_fail_again_and_again_take_no_memory():
    def pieces():
        yield BOOTED
        for number in range(3000):
            yield b"[FAILED] Failed to start %d%s.service\n" % (number, b"x" * 4000)

    tracemalloc.start()
    try:
        judge_log(pieces())
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()


def test_a_log_that_begins_in_a_shutdown_has_its_panic_in_the_old_kernel():
    lines = b"[  OK  ] Stopped target multi-user.target\n[  812.000000] Kernel panic - not syncing: at last\n"
    judged = judge_log([lines]).verdict
    assert (judged.failure_class, judged.blame) == (FailureClass.OUTGOING_KERNEL_CRASH, "outgoing_kernel")
