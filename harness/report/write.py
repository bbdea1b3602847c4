"""Reports as files in a run's folder."""

from __future__ import annotations

import contextlib
from pathlib import Path

import harness.report
from harness.errors import StoreError
from harness.registry import members
from harness.report.model import Report


def write_reports(report: Report, run_dir: Path) -> list[Path]:
    """Write every format that is kept as a file, each in one step: a reader sees the old or the new one.

    Gives the files, sorted by name of their format. Raises StoreError naming the file that cannot be written.
    """
    written = []
    for _, module in sorted(members(harness.report).items()):
        if module.FILE_NAME is None:
            continue
        path = run_dir / module.FILE_NAME
        new = run_dir / f".{module.FILE_NAME}"
        content = module.render(report)
        try:
            new.write_bytes(content)
            new.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            raise StoreError(f"{path}: {error.strerror}") from error
        written.append(path)
    return written
