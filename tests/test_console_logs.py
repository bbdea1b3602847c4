"""Recorded console logs get exactly the verdicts that their headers name; `--update-testdata` rewrites the headers.

`tests/testdata/console/<class>/<name>.log`; what lies in `pass/` must not match any rule that ends a boot.
"""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.classify.lines import LineAssembler
from harness.classify.log import judge_log
from harness.classify.recorded import GIVEN, JUDGED, judged_fields, parse, render
from harness.cli import cli
from harness.errors import ConfigError
from harness.model import FailureClass

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


def test_an_empty_log_is_no_pass():
    verdict = judge_log([]).verdict
    assert (verdict.outcome, verdict.failure_class, verdict.confidence) == ("fail", FailureClass.NO_READY, "low")


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


@pytest.mark.parametrize(
    "before",
    ["", "2026-01-02T03:04:05.678Z ", "[2026-01-02 03:04:05] ", "[Fri Jan  2 03:04:05 2026] ", "<4>"],
    ids=["none", "iso", "brackets", "ctime", "level"],
)
def test_what_a_collector_puts_before_each_line_does_not_matter(before):
    lines = [
        "[    0.000000] Linux version 6.1",
        "[    5.000000] Run /init as init process",
        "ALERT!  LABEL=x does not exist.  Dropping to a shell!",
    ]
    judged = judge_log(["".join(f"{before}{line}\r\n" for line in lines).encode()]).verdict
    assert (judged.failure_class, judged.span.line) == (FailureClass.ROOT_NOT_FOUND, 3)


def test_a_log_that_begins_in_a_shutdown_has_its_panic_in_the_old_kernel():
    lines = b"[  OK  ] Stopped target multi-user.target\n[  812.000000] Kernel panic - not syncing: at last\n"
    judged = judge_log([lines]).verdict
    assert (judged.failure_class, judged.blame) == (FailureClass.OUTGOING_KERNEL_CRASH, "outgoing_kernel")
