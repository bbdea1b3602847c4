"""Recorded console logs with the verdict that they must get: a header of `# key: value` lines, then the bytes.

The header is part of the file: a verdict's line and offset count from the file's start, so that what
`kexec-harness classify FILE` prints is what the header says.
"""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from harness.classify.log import LogVerdict, judge_log
from harness.errors import ConfigError
from harness.model import BootPath

_FIELD = re.compile(rb"# (?P<key>[a-z]+): (?P<value>[^\r\n]*)\n")
#: of these values of a header, the verdict must have exactly these
JUDGED = ("outcome", "class", "rule", "stage", "blame", "path", "confidence", "line")
#: how the log is judged, and where it comes from
GIVEN = ("expect", "warnings", "source", "note")
#: `# warnings: count` holds the log against an empty baseline, so that every warning of its kernel is new
COUNT = "count"


class RecordedLog(Struct, frozen=True):
    """A log, the fields of its header in their order, and its bytes with and without it."""

    fields: dict[str, str]
    content: bytes
    console: bytes

    def judge(self) -> LogVerdict:
        """The verdict as `kexec-harness classify` gives it with the options of the header."""
        expect = self.fields.get("expect")
        return judge_log(
            [self.content],
            expected=BootPath(expect) if expect else None,
            baseline=frozenset() if self.fields.get("warnings") == COUNT else None,
        )


def parse(content: bytes, name: Path) -> RecordedLog:
    """Read a recorded log. Raises ConfigError for an unknown or repeated key, or without a source."""
    fields: dict[str, str] = {}
    at = 0
    while (found := _FIELD.match(content, at)) is not None:
        key = found["key"].decode("ascii")
        if key not in (*JUDGED, *GIVEN) or key in fields:
            problem = "twice in the header" if key in fields else "no field of a recorded log"
            raise ConfigError(problem, file=name, key=key, mend=f"use {', '.join((*JUDGED, *GIVEN))}")
        fields[key] = found["value"].decode("utf-8", "replace")
        at = found.end()
    if "source" not in fields:
        raise ConfigError("missing: where the log comes from", file=name, key="source")
    return RecordedLog(fields, content, content[at:])


def render(console: bytes, given: dict[str, str], name: Path) -> bytes:
    """A recorded log with the verdict that it gets now in its header; `given` are its other fields."""
    verdict = _verdict_fields(parse(_with_header(given, console), name).judge())
    # The header's length moves the lines: one more round with a header as long as the last.
    verdict = _verdict_fields(parse(_with_header({**verdict, **given}, console), name).judge())
    return _with_header({**verdict, **given}, console)


def judged_fields(log: RecordedLog) -> dict[str, str]:
    """What the header's judged fields would have to be."""
    return _verdict_fields(log.judge())


def _verdict_fields(judged: LogVerdict) -> dict[str, str]:
    verdict = judged.verdict
    fields = {
        "outcome": verdict.outcome.value,
        "class": verdict.failure_class.value if verdict.failure_class else None,
        "rule": verdict.rule,
        "stage": verdict.stage.value if verdict.stage else None,
        "blame": verdict.blame.value if verdict.blame else None,
        "path": verdict.path.value,
        "confidence": verdict.confidence.value,
        "line": str(verdict.span.line) if verdict.span else None,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _with_header(fields: dict[str, str], console: bytes) -> bytes:
    header = "".join(f"# {key}: {value}\n" for key, value in fields.items())
    return header.encode() + console
