"""The records of a run."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from harness.model.cells import Accel, Cell
from harness.model.events import DeviceFinding
from harness.model.verdicts import (
    Blame,
    BootPath,
    Confidence,
    FailureClass,
    Milestone,
    Outcome,
    Phases,
    Proof,
    Span,
    Stage,
)


class CycleStart(Struct, frozen=True, kw_only=True, tag="start", tag_field="record"):
    """Written before a cycle's trigger; a start without an end is an interrupted cycle."""

    cell_id: str
    cycle: int
    block: int
    order: int
    method: str
    nonce: str
    #: ISO 8601 with time zone
    started_at: str
    #: what was injected into this reboot on purpose
    fault: str | None = None


#: method of a record that stands for the set-up boot of a machine that did not come up
SETUP = "setup"


class CycleEnd(Struct, frozen=True, kw_only=True, tag="end", tag_field="record"):
    """All that is known of a finished cycle; one row of cycles.csv and more."""

    run_id: str
    cell_id: str
    image: str
    device_set: str
    firmware: str
    loader: str
    machine: str
    arch: str
    accel: str
    qemu_version: str
    method: str
    #: block of the campaign, from 0; the cycles of a block are a pair
    block: int
    #: position of this cycle within its block, from 0
    order: int
    #: number of the cycle within its cell, from 0
    cycle: int
    outcome: Outcome
    failure_class: FailureClass | None
    path: BootPath
    #: ISO 8601 with time zone
    started_at: str
    rule: str
    #: one sentence for people
    reason: str
    kernel_before: str | None = None
    kernel_after: str | None = None
    #: how many kexecs lie between the boot that this cycle gave and the last firmware boot
    chain_depth: int | None = None
    phases: Phases = Phases()
    #: CPU seconds of the vCPU threads, and seconds that they waited for a host CPU
    vcpu_s: float | None = None
    vcpu_wait_s: float | None = None
    downtime_s: float | None = None
    #: what was injected into this reboot on purpose
    fault: str | None = None
    #: memory that the new system had available when it was ready
    mem_available_kib: int | None = None
    #: console log, relative to the run's folder
    console: str | None = None
    evidence: str = ""
    last_milestone: Milestone | None = None
    blame: Blame | None = None
    stage: Stage | None = None
    span: Span | None = None
    confidence: Confidence | None = None
    proofs: tuple[Proof, ...] = ()
    findings: tuple[DeviceFinding, ...] = ()
    #: seconds from the trigger at which each milestone was passed
    milestones: dict[Milestone, float] = {}


CycleRecord = CycleStart | CycleEnd


class CycleRow(Struct, frozen=True, kw_only=True, tag="end", tag_field="record", gc=False):
    """What numbers are worked out from: a part of `CycleEnd`, read from the same line in a third of the time."""

    cell_id: str
    image: str
    device_set: str
    firmware: str
    loader: str
    method: str
    block: int
    cycle: int
    outcome: Outcome
    failure_class: FailureClass | None
    started_at: str
    kernel_before: str | None = None
    chain_depth: int | None = None
    phases: Phases = Phases()
    vcpu_s: float | None = None
    vcpu_wait_s: float | None = None
    downtime_s: float | None = None
    mem_available_kib: int | None = None


class CellRows(Struct, frozen=True):
    """One cell's records for numbers, in order of writing, and the first of its cycles that did not pass, whole."""

    cell_id: str
    records: list[CycleStart | CycleRow]
    troubles: list[CycleEnd]


class Setting(Struct, frozen=True):
    """A resolved setting and where its value came from (`command line`, `environment`, a file, `default`)."""

    value: Any
    origin: str


class RunPart(Struct, frozen=True, kw_only=True):
    """A run that was merged into another one."""

    run_id: str
    started_at: str
    ended_at: str | None = None
    exit_status: int | None = None
    #: which part of the cells it ran, such as 2/5; None for a run of its own
    shard: str | None = None
    host: dict[str, Any] = {}
    #: ids of its cells
    cells: tuple[str, ...] = ()


class RunInfo(Struct, frozen=True, kw_only=True):
    """run.json: what ran, with what, on what."""

    run_id: str
    harness_version: str
    started_at: str
    ended_at: str | None = None
    #: exit status of the run, once it ended
    exit_status: int | None = None
    seed: int
    accel: Accel
    #: why this accelerator, in one line
    accel_reason: str
    qemu_version: str
    host: dict[str, Any] = {}
    settings: dict[str, Setting] = {}
    #: cell id -> the settings that the matrix gives this cell in place of the run's
    cell_settings: dict[str, dict[str, Setting]] = {}
    #: comparisons that were planned, and share one error of calling an arm worse for nothing
    gates: int = 1
    cells: tuple[Cell, ...] = ()
    #: image name -> sha256 of its disk
    images: dict[str, str] = {}
    #: cell id -> QEMU command line of its first machine
    argv: dict[str, tuple[str, ...]] = {}
    #: cell id -> why it could not run here: this QEMU, firmware or kernel does not have what it needs
    skipped: dict[str, str] = {}
    #: cell id -> method -> why this arm could not run there
    skipped_arms: dict[str, dict[str, str]] = {}
    #: the runs that this one was merged from, if it was
    parts: tuple[RunPart, ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """Name -> value of the run's settings, as far as its version of the harness had them."""
        return {name: setting.value for name, setting in self.settings.items()}
