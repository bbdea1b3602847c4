"""Connections of this process that a fault cuts under everybody's hands."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

from harness.errors import MachineError


def cut(path: Path) -> None:
    """Shut the connections down that were accepted on the Unix socket `path`; both ends read the end of the stream.

    Raises MachineError if there is none.
    """
    if not sum([_cut_if_it_is(int(link.name), str(path)) for link in Path("/proc/self/fd").iterdir()]):
        raise MachineError(f"{path}: nobody is connected")


def _cut_if_it_is(number: int, path: str) -> bool:
    # What is no socket, a listener, or closed by now, is another one.
    with suppress(OSError), socket.socket(fileno=os.dup(number)) as end:
        if end.family == socket.AF_UNIX and end.getsockname() == path:
            end.shutdown(socket.SHUT_RDWR)
            return True
    return False
