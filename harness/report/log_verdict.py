"""Verdicts on console logs, for people and for programs; and the logs' bytes."""

from __future__ import annotations

import contextlib
import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from harness.classify.case import visible
from harness.classify.log import LogVerdict
from harness.errors import StoreError

PIECE_BYTES = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"


class _Again(io.RawIOBase):
    """A stream whose first bytes have been read already and come once more; standard input cannot go back."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._head:
            self._head = self._rest.read(len(buffer))
        count = min(len(buffer), len(self._head))
        buffer[:count] = self._head[:count]
        self._head = self._head[count:]
        return count


def pieces_of(path: Path) -> Iterator[bytes]:
    """A log's bytes in pieces, unpacked if it is gzip's; `-` is standard input.

    Raises StoreError for what cannot be read.
    """
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb") as file:
            head = file.read(len(GZIP_MAGIC))
            whole = io.BufferedReader(_Again(head, file), PIECE_BYTES)
            with gzip.GzipFile(fileobj=whole) if head == GZIP_MAGIC else whole as log:
                while piece := log.read(PIECE_BYTES):
                    yield piece
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else f"damaged ({error})"
        raise StoreError(f"{path}: {reason}") from error


def log_object(path: Path, judged: LogVerdict) -> dict[str, Any]:
    """A verdict as JSON has it."""
    verdict = judged.verdict
    return {
        "file": str(path),
        "path": verdict.path,
        "outcome": verdict.outcome,
        "failure_class": verdict.failure_class,
        "stage": verdict.stage,
        "blame": verdict.blame,
        "rule": verdict.rule,
        "span": {"offset": verdict.span.offset, "length": verdict.span.length, "line": verdict.span.line}
        if verdict.span
        else None,
        "confidence": verdict.confidence,
        "reason": verdict.reason,
        "evidence": verdict.evidence,
        "reboots": judged.reboots,
    }


def log_line(path: Path, judged: LogVerdict) -> str:
    """A verdict in a few lines of plain text."""
    verdict = judged.verdict
    name = visible(str(path))
    failure = f" {verdict.failure_class.value}" if verdict.failure_class else ""
    lines = [f"{name}: {verdict.outcome.value}{failure}: {verdict.reason}"]
    if verdict.span is not None:
        lines.append(f"  line {verdict.span.line}, byte {verdict.span.offset}")
    parts = [f"rule {verdict.rule}", f"confidence {verdict.confidence.value}"]
    if verdict.stage is not None:
        parts.insert(0, f"stage {verdict.stage.value}")
    if verdict.blame is not None:
        parts.insert(1, f"blame {verdict.blame.value}")
    parts.append(f"path {verdict.path.value}")
    parts.append(f"reboot {judged.reboots} of the log")
    lines.append("  " + ", ".join(parts))
    return "\n".join(lines)
