"""A run with a bit of everything, for tests of reports: failures, hostile text, invalid and interrupted cycles."""

from __future__ import annotations

import csv
import io

import harness.report
from harness.model import (
    SETUP,
    Accel,
    BootPath,
    Cell,
    CycleEnd,
    CycleStart,
    FailureClass,
    Firmware,
    Milestone,
    Outcome,
    Phases,
    RunInfo,
)
from harness.registry import members
from harness.report.summarise import summarise

NET = Cell(image="debian-13", device_set="virtio-net")
NVME = Cell(image="debian-12", device_set="nvme", firmware=Firmware.OVMF)
IDLE = Cell(image="debian-12", device_set="ahci")

RUN = RunInfo(
    run_id="20260102T030405Z-1f2e",
    harness_version="0.1.0",
    started_at="2026-01-02T03:04:05+00:00",
    ended_at="2026-01-02T04:05:06+00:00",
    exit_status=0,
    seed=42,
    accel=Accel.TCG,
    accel_reason="/dev/kvm opens, but nothing boots under it",
    qemu_version="7.2.15",
    cells=(NET, NVME, IDLE),
)

#: all that a guest might print to be taken for something else
HOSTILE = '=HYPERLINK("http://x") \x1b[31m\x07\x9b[bold]red[/bold] |a|b| <script>*x*</script> `c` \u202egnp\r\n- @me'

KEXEC = Phases(total_s=10.0, shutdown_s=2.0, handoff_s=1.0, kernel_s=3.0, initrd_s=1.5, userspace_s=2.5)
COLD = Phases(
    total_s=16.0,
    shutdown_s=2.0,
    handoff_s=7.0,
    firmware_s=4.0,
    loader_s=3.0,
    kernel_s=3.0,
    initrd_s=1.5,
    userspace_s=2.5,
)


def start(cell: Cell, method: str, cycle: int, **other) -> CycleStart:
    fixed = {"block": cycle // 2, "order": cycle % 2, "nonce": "n", "started_at": f"2026-01-02T03:{cycle:02d}:00+00:00"}
    return CycleStart(cell_id=cell.cell_id, cycle=cycle, method=method, **(fixed | other))


def end(cell: Cell, method: str, cycle: int, **other) -> CycleEnd:
    """A cycle that passed, of 10 s by kexec or 16 s cold; two cycles make a block."""
    fixed = {
        "run_id": RUN.run_id,
        "image": cell.image,
        "device_set": cell.device_set,
        "firmware": cell.firmware.value,
        "loader": cell.loader.value,
        "machine": cell.machine,
        "arch": cell.arch,
        "accel": "tcg",
        "qemu_version": "7.2.15",
        "block": cycle // 2,
        "order": cycle % 2,
        "outcome": Outcome.PASS,
        "failure_class": None,
        "path": BootPath.KEXEC if method == "kexec" else BootPath.FIRMWARE,
        "started_at": f"2026-01-02T03:{cycle:02d}:00+00:00",
        "rule": "proven",
        "reason": "booted",
        "kernel_before": "6.12.1",
        "kernel_after": "6.12.1",
        "phases": KEXEC if method == "kexec" else COLD,
        "vcpu_s": 8.5,
        "last_milestone": Milestone.READY,
        "console": f"cells/{cell.cell_id}/console/{cycle:06d}-{method}.log",
    }
    return CycleEnd(cell_id=cell.cell_id, method=method, cycle=cycle, **(fixed | other))


def failed(cell: Cell, method: str, cycle: int, **other) -> CycleEnd:
    fixed = {
        "outcome": Outcome.FAIL,
        "failure_class": FailureClass.KERNEL_PANIC,
        "rule": "panic",
        "reason": HOSTILE,
        "last_milestone": Milestone.HANDOFF,
        # A failure can have come as far as a time; it must not be among the times.
        "phases": Phases(total_s=999.0),
    }
    return end(cell, method, cycle, **(fixed | other))


RECORDS = (
    start(NET, "kexec", 0),
    end(NET, "kexec", 0),
    start(NET, "cold", 1),
    end(NET, "cold", 1),
    start(NET, "cold", 2),
    end(NET, "cold", 2),
    start(NET, "kexec", 3),
    failed(NET, "kexec", 3, kernel_before=HOSTILE),
    end(NET, "kexec", 4, phases=Phases(total_s=8.0), vcpu_s=0.1 + 0.2),
    end(NET, "cold", 5, outcome=Outcome.INVALID, failure_class=FailureClass.INFRASTRUCTURE, reason="no disk space"),
    end(NET, "kexec", 6, phases=Phases(total_s=12.5)),
    end(NET, "cold", 7),
    start(NET, "cold", 8),
    end(NVME, SETUP, 0, outcome=Outcome.INVALID, failure_class=FailureClass.INFRASTRUCTURE, reason="did not come up"),
    end(NVME, "kexec", 0),
    end(NVME, "cold", 1),
)

REPORT = summarise(RUN, RECORDS)
#: the formats that are kept as files
FILES = [module for module in members(harness.report).values() if module.FILE_NAME is not None]


def rows(content: bytes) -> list[dict[str, str]]:
    """A CSV file as programs read it."""
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))
