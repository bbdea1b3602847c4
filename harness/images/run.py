"""Runs one build tool: its output goes into the build's log, its failure becomes an error that shows the end of it.

`capture` is for one whose output is wanted.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from harness.errors import ImageError, InfraError, NoSpace
from harness.host.tools import die_with_parent, find_tool, search_path

TAIL_LINES = 15
TERMINATION_S = 3.0
CAPTURE_TIMEOUT_S = 300.0

Explain = Callable[[str], InfraError | None]


def run(
    command: list[str],
    *,
    log: Path,
    on_line: Callable[[str], None] | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    cwd: Path | None = None,
    explain: Explain | None = None,
    tool: str | None = None,
) -> None:
    """Run `command` to its end; every line it prints is appended to `log` and handed to `on_line`.

    The command ends with its parent, and with everything it started when this call is interrupted.
    `tool` is what messages call it, where the command's first word is only what starts it.
    Raises ToolMissing, NoSpace, what `explain` makes of the end of its output, or else ImageError.
    """
    argv = [*die_with_parent("TERM"), str(find_tool(command[0])), *command[1:]]
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    with log.open("a", encoding="utf-8") as record:
        record.write(f"$ {' '.join(command)}\n")
        process = subprocess.Popen(
            argv,
            env={**os.environ, "PATH": search_path(), "LC_ALL": "C.UTF-8", **(env or {})},
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            _converse(process, stdin, record.write, tail, on_line)
        finally:
            _end(process)
    if process.returncode:
        raise _failure(tool or command[0], process.returncode, "\n".join(tail), log, explain)


def _converse(
    process: subprocess.Popen[str],
    stdin: str | None,
    record: Callable[[str], object],
    tail: deque[str],
    on_line: Callable[[str], None] | None,
) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(stdin or "")
    assert process.stdout is not None
    for line in process.stdout:
        record(line)
        tail.append(line.rstrip())
        if on_line is not None:
            on_line(line.rstrip())
    process.wait()


def _end(process: subprocess.Popen[str]) -> None:
    """Make sure that neither the command nor anything it started goes on."""
    if process.returncode is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(TERMINATION_S)


def _failure(tool: str, status: int, tail: str, log: Path, explain: Explain | None) -> InfraError:
    if "No space left on device" in tail:
        return NoSpace(
            f"{tool} ran out of disk space", mend=f"make room for {log.parent.parent} and its temporary files"
        )
    explained = explain(tail) if explain is not None else None
    return explained or ImageError(f"{tool} failed (status {status}); the end of what it said:\n{tail}")


def capture(command: list[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Standard output and standard error of a program that ends well within `CAPTURE_TIMEOUT_S`.

    Raises ImageError or ToolMissing.
    """
    argv = [str(find_tool(command[0])), *command[1:]]
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CAPTURE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ImageError(f"{command[0]} did not end within {CAPTURE_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        raise ImageError(f"{command[0]} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout, done.stderr
