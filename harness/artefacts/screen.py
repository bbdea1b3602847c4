"""What the machine's screen shows, as a PNG."""

from __future__ import annotations

from harness.artefacts.case import Case, NotTaken, silent
from harness.errors import MachineError

NAME = "screen.png"
SUMMARY = "the screen"
TIMEOUT_S = 15.0


def take(case: Case) -> list[str]:
    """Let QEMU write the screen. Raises NotTaken, e.g. for a machine without a display."""
    monitor = case.monitor()
    target = case.folder / NAME
    try:
        monitor.execute("screendump", {"filename": str(target.absolute()), "format": "png"}, timeout=TIMEOUT_S)
    except MachineError as error:
        if "There is no console" in str(error) or "no surface" in str(error):
            raise NotTaken("the machine has no display") from error
        raise silent(error) from error
    return []
