"""What untrusted bytes go into, one function for each way in: raises nothing but the errors that people get to read.

tests/test_fuzz.py calls them with what Hypothesis makes up, tests/fuzz/explore.py with what atheris finds.
"""

from __future__ import annotations

import contextlib
import gzip
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
from reboots import evidence

from harness.classify.classifier import Judgement, classify
from harness.classify.console import MAX_SYMPTOMS
from harness.classify.lines import MAX_LINE
from harness.classify.log import judge_log
from harness.classify.milestones import Progress
from harness.classify.recorded import parse
from harness.errors import HarnessError
from harness.model import AgentMessage, CommandSent, ConsoleData, EndReason, Event, Outcome, QmpEvent
from harness.qemu.agent import MAX_LINE_BYTES, AgentDecoder, parse_reply
from harness.store import read_events, read_records

PIECE = 7
TRIGGER = CommandSent(0.0, 1, "trigger", "systemctl reboot")


def _judge(events: list[Event]) -> Judgement:
    judged = classify(evidence([TRIGGER, *events], ended_by=EndReason.DEADLINE))
    assert judged.verdict.outcome is Outcome.FAIL, "no bytes on one channel are a reboot that went well"
    assert judged.verdict.reason.isprintable()
    assert judged.verdict.evidence.isprintable()
    return judged


def console(data: bytes) -> None:
    """The console: the same verdict for the whole and for its pieces, and nothing that grows without bound."""
    text = data.decode("latin-1")
    pieces = [ConsoleData(1.0, text[at : at + PIECE]) for at in range(0, len(text), PIECE)]
    whole = _judge([ConsoleData(1.0, text)])
    assert _judge(pieces) == whole
    progress = Progress("old")
    for piece in pieces:
        progress.feed(piece)
    line = progress.console.unfinished()
    assert len(progress.console.symptoms) <= MAX_SYMPTOMS
    assert line is None or len(line.text) <= MAX_LINE


def agent(data: bytes) -> None:
    """The agent's channel: whatever is decoded can be written down again, and decides no path alone."""
    decoder = AgentDecoder()
    messages = [message for at in range(0, len(data), PIECE) for message in decoder.feed(data[at : at + PIECE])]
    assert messages == AgentDecoder().feed(data)
    assert decoder.held() <= MAX_LINE_BYTES
    for message in messages:
        parse_reply(message)
        msgspec.json.encode(message)
    _judge([AgentMessage(2.0, message) for message in messages])


def qmp(data: bytes) -> None:
    """QMP events of any name and content."""
    try:
        found = msgspec.json.decode(data, type=list[tuple[str, dict[str, object]]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    _judge([QmpEvent(3.0, name, content) for name, content in found])


def log(data: bytes) -> None:
    """A console log from anywhere: one verdict, the same for any pieces, with a place inside the log."""
    whole = judge_log([data])
    assert judge_log([data[at : at + PIECE] for at in range(0, len(data), PIECE)]) == whole
    span = whole.verdict.span
    assert span is None or (span.offset is not None and 0 <= span.offset <= len(data))
    assert whole.verdict.reason.isprintable()


def recorded_log(data: bytes) -> None:
    """The header of a recorded log."""
    with contextlib.suppress(HarnessError):
        parse(data, Path("a.log"))


def transcript(data: bytes) -> None:
    """Files of a run: events, packed or not packed, and records."""
    with tempfile.TemporaryDirectory() as folder:
        packed, raw = Path(folder) / "events.jsonl.gz", Path(folder) / "cycles.jsonl"
        for content in (data, gzip.compress(data, mtime=0)):
            packed.write_bytes(content)
            with contextlib.suppress(HarnessError):
                read_events(packed)
        raw.write_bytes(data)
        with contextlib.suppress(HarnessError):
            list(read_records(raw))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "agent": agent,
    "console": console,
    "log": log,
    "qmp": qmp,
    "recorded-log": recorded_log,
    "transcript": transcript,
}
