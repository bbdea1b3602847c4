"""The machine's own disk, an overlay on the image; only when asked for (KEEP_DISK=1)."""

from __future__ import annotations

import shutil

from harness.artefacts.case import Case, NotTaken

NAME = "disk.qcow2"
SUMMARY = "the root disk, an overlay on the image"


def take(case: Case) -> list[str]:
    """Copy the overlay as it is. Raises NotTaken."""
    if not case.wanted.disk:
        raise NotTaken("KEEP_DISK=1 keeps it")
    source = case.inside().spec.root_disk
    case.need_room(source.stat().st_size, "a copy of the disk")
    shutil.copyfile(source, case.folder / NAME)
    return [f"on top of {case.rerun.disk}" if case.rerun is not None else "its image is the backing file"]
