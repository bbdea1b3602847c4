"""Records of benchmarks on disk: JSON Lines, one object per measurement, appended the moment that it is known."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import msgspec


class Ledger:
    """Appends to one file; every record also says what was measured on what."""

    def __init__(self, path: Path, **everywhere: Any) -> None:
        self.path = path
        self.everywhere = everywhere

    def add(self, **record: Any) -> None:
        """Write one record. Raises OSError."""
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode({"at": at, **self.everywhere, **record}) + b"\n")


def read_ledger(path: Path) -> list[dict[str, Any]]:
    """All records of a file, the oldest first. Raises OSError, or ValueError for a file that is damaged."""
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines() if line]
