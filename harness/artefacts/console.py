"""The consoles of the failed cycle and of the one before it, byte for byte."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from harness.artefacts.case import Case, NotTaken

NAME, BEFORE = "console.log", "console-before.log"
SUMMARY = "what this cycle printed: the old system's end and the new one's start"
SUMMARY_BEFORE = "what the cycle before it printed, or the set-up boot"


def take(case: Case) -> list[str]:
    """This cycle's console. Raises NotTaken."""
    return _copy(case.console, case.folder / NAME)


def take_before(case: Case) -> list[str]:
    """The console of the cycle before, on the same machine. Raises NotTaken."""
    return _copy(case.console_before, case.folder / BEFORE)


def _copy(source: Path | None, target: Path) -> list[str]:
    if source is None or not source.is_file():
        raise NotTaken("nothing was recorded before this")
    target.unlink(missing_ok=True)
    try:
        # The same file under a second name takes no space.
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
    return []
