"""Disks that fail: QEMU's `blkdebug` between a disk's format and its file (QEMU manual, docs/devel/blkdebug.rst)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.clock import pause
from harness.errors import MachineError
from harness.faults.base import Hands

OVERLAY = "fault-overlay"
#: a job of a few milliseconds
_JOB_TRIES, _JOB_PAUSE_S = 100, 0.05


def root_disk(hands: Hands) -> dict[str, Any]:
    """What QMP says of the image under the root disk."""
    for block in hands.qmp("query-block"):
        if block["device"] == "root0":
            found: dict[str, Any] = block["inserted"]
            return found
    raise MachineError("the machine has no root disk")


def no_room_for_writes(hands: Hands) -> None:
    """From now on each write to the root disk finds the host's disk full (ENOSPC)."""
    disk = root_disk(hands)
    file = str(Path(disk["image"]["filename"]).with_name(f"{OVERLAY}.qcow2"))
    _create(hands, {"driver": "file", "filename": file, "size": 0})
    hands.qmp("blockdev-add", {"driver": "file", "filename": file, "node-name": f"{OVERLAY}-file"})
    size = disk["image"]["virtual-size"]
    _create(hands, {"driver": "qcow2", "file": f"{OVERLAY}-file", "size": size})
    hands.qmp("blockdev-del", {"node-name": f"{OVERLAY}-file"})
    rule = {"event": "cluster_alloc", "errno": 28, "iotype": "write"}
    broken = {"driver": "blkdebug", "image": {"driver": "file", "filename": file}, "inject-error": [rule]}
    hands.qmp("blockdev-add", {"driver": "qcow2", "node-name": OVERLAY, "backing": None, "file": broken})
    hands.qmp("blockdev-snapshot", {"node": disk["node-name"], "overlay": OVERLAY})


def plug_unreadable_disk(hands: Hands, slot: str) -> None:
    """Plug a disk in whose every read fails (EIO)."""
    rule = {"event": "none", "errno": 5, "iotype": "read"}
    hands.qmp(
        "blockdev-add",
        {
            "driver": "blkdebug",
            "node-name": "fault-disk",
            "image": {"driver": "null-co", "size": 64 << 20},
            "inject-error": [rule],
        },
    )
    hands.qmp("device_add", {"driver": "virtio-blk-pci", "drive": "fault-disk", "bus": slot, "id": "fault-disk"})


def _create(hands: Hands, options: dict[str, Any]) -> None:
    hands.qmp("blockdev-create", {"job-id": "fault", "options": options})
    for _ in range(_JOB_TRIES):
        job = next(job for job in hands.qmp("query-jobs") if job["id"] == "fault")
        if job["status"] == "concluded":
            hands.qmp("job-dismiss", {"id": "fault"})
            if "error" in job:
                raise MachineError(f"no disk for the fault: {job['error']}")
            return
        pause(_JOB_PAUSE_S)
    raise MachineError("no disk for the fault: QEMU does not come to an end with it")
