"""Verdicts on console logs, for people and for programs; and the logs' bytes."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.classify.case import visible
from harness.classify.log import LogVerdict
from harness.errors import StoreError

PIECE_BYTES = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"


def pieces_of(path: Path) -> Iterator[bytes]:
    """A log's bytes in pieces, unpacked if it is gzip's; `-` is standard input.

    Raises StoreError for what cannot be read.
    """
    if str(path) == "-":
        while piece := sys.stdin.buffer.read(PIECE_BYTES):
            yield piece
        return
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP_MAGIC
        with gzip.open(path) if packed else path.open("rb") as log:
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
