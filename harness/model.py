"""The words of the project as frozen types: cell, event, milestone, verdict, cycle record.

Times are seconds (float) on the harness's monotonic clock unless a name says otherwise; an unknown is None.
This file imports nothing of ours.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct


class Outcome(StrEnum):
    """What a cycle says of the guest. `INVALID` says nothing: the harness or the host failed."""

    PASS = "pass"
    FAIL = "fail"
    INVALID = "invalid"


class BootPath(StrEnum):
    """How the new kernel was started, as far as it is proven."""

    KEXEC = "kexec"
    FIRMWARE = "firmware"
    NONE = "none"
    CONFLICT = "conflict"


class Firmware(StrEnum):
    SEABIOS = "seabios"
    OVMF = "ovmf"


class Loader(StrEnum):
    """How a cold boot gets its kernel: GRUB from the disk, or QEMU's `-kernel`."""

    GRUB = "grub"
    DIRECT = "direct"


class Accel(StrEnum):
    KVM = "kvm"
    TCG = "tcg"


class FailureClass(StrEnum):
    """Every way a reboot can go wrong that the harness tells apart, along the path of a reboot."""

    FELL_BACK_TO_FIRMWARE = "fell_back_to_firmware"
    SHUTDOWN_HANG = "shutdown_hang"
    HANG_BEFORE_KERNEL = "hang_before_kernel"
    KERNEL_PANIC = "kernel_panic"
    INITRAMFS_SHELL = "initramfs_shell"
    EMERGENCY_MODE = "emergency_mode"
    NO_READY = "no_ready"
    UNEXPECTED_RESET = "unexpected_reset"
    UNEXPECTED_KEXEC = "unexpected_kexec"
    NO_REBOOT = "no_reboot"
    QEMU_ABORT = "qemu_abort"
    PROOF_CONFLICT = "proof_conflict"
    WRONG_KERNEL = "wrong_kernel"
    DEGRADED = "degraded"
    DEVICE_FAILED = "device_failed"
    # Outcome `invalid` only:
    INFRASTRUCTURE = "infrastructure"
    INTERRUPTED = "interrupted"


class Milestone(StrEnum):
    """Time-stamped events of a cycle, in the order in which a reboot passes them."""

    TRIGGER = "trigger"
    SHUTDOWN_DONE = "shutdown_done"
    HANDOFF = "handoff"
    FIRMWARE = "firmware"
    LOADER = "loader"
    KERNEL = "kernel"
    INIT = "init"
    SYSTEMD = "systemd"
    READY = "ready"


class Cell(Struct, frozen=True, kw_only=True):
    """One combination of dimensions. Methods are not part of it: every arm runs in the same cell."""

    image: str
    device_set: str
    firmware: Firmware = Firmware.SEABIOS
    loader: Loader = Loader.GRUB
    kernel: str = "default"
    machine: str = "q35"
    arch: str = "x86_64"

    @property
    def cell_id(self) -> str:
        """Readable and safe as a file name; dimensions at their default are left out."""
        parts = [self.image, self.device_set, self.firmware.value]
        for field in ("loader", "kernel", "machine", "arch"):
            value = str(getattr(self, field))
            if value != str(DEFAULT_DIMENSIONS[field]):
                parts.append(value)
        return "+".join(part.replace("/", "_") for part in parts)


DEFAULT_DIMENSIONS = {"loader": Loader.GRUB, "kernel": "default", "machine": "q35", "arch": "x86_64"}


#: one QEMU option with its value ("" for an option that takes none)
Option = tuple[str, str]


# ---- what is seen of a machine: one event for each thing that arrives, stamped on arrival ------------------


class ConsoleData(Struct, frozen=True, tag="console", tag_field="channel"):
    """Bytes from the serial console, decoded as Latin-1 so that every byte survives."""

    t: float
    text: str


class FirmwareData(Struct, frozen=True, tag="firmware", tag_field="channel"):
    """Bytes from the firmware's debug console port, as Latin-1."""

    t: float
    text: str


class AgentMessage(Struct, frozen=True, tag="agent", tag_field="channel"):
    """One report of the guest agent, already parsed; `body` is untrusted."""

    t: float
    body: dict[str, Any]


class QmpEvent(Struct, frozen=True, tag="qmp", tag_field="channel"):
    """One asynchronous QMP event."""

    t: float
    name: str
    data: dict[str, Any] = {}


class ProcessExit(Struct, frozen=True, tag="process", tag_field="channel"):
    """QEMU ended. `status` is as in subprocess: negative for a signal."""

    t: float
    status: int
    stderr: str = ""


class CommandSent(Struct, frozen=True, tag="command", tag_field="channel"):
    """The harness sent a script to the agent. `purpose` names the milestone `trigger` among others."""

    t: float
    id: int
    purpose: str
    script: str


Event = ConsoleData | FirmwareData | AgentMessage | QmpEvent | ProcessExit | CommandSent


class CommandReply(Struct, frozen=True):
    """What a script run by the guest agent gave."""

    status: int
    output: str


class EndReason(StrEnum):
    """Why the watcher stopped watching a cycle."""

    READY = "ready"
    FATAL = "fatal"
    DEADLINE = "deadline"
    EXIT = "exit"


class DeviceFinding(Struct, frozen=True):
    """What one device check of the guest gave after a reboot."""

    check: str
    ok: bool
    detail: str = ""


class Expectation(Struct, frozen=True, kw_only=True):
    """What the harness knows before a cycle starts, against which its evidence is held."""

    method: str
    path: BootPath
    arch: str
    firmware: Firmware
    loader: Loader
    nonce: str
    boot_id_before: str
    kernel_before: str
    #: None when any kernel will do
    kernel_expected: str | None = None


class Evidence(Struct, frozen=True, kw_only=True):
    """Everything observed of a cycle, from its trigger to its end; the trigger is a `CommandSent` in it."""

    expectation: Expectation
    events: tuple[Event, ...]
    ended_by: EndReason
    #: seconds that the last phase was given before it was given up; None if no deadline decided
    deadline_s: float | None = None
    findings: tuple[DeviceFinding, ...] = ()
    #: CPU seconds that the vCPU threads used between trigger and end
    vcpu_s: float | None = None
    #: seconds those threads were runnable but waited for a host CPU
    vcpu_wait_s: float | None = None


class Proof(Struct, frozen=True):
    """What one channel says of the path; `path` None means that it cannot tell."""

    channel: str
    path: BootPath | None
    detail: str


class Phases(Struct, frozen=True, kw_only=True):
    """Seconds per phase; they follow one another and add up to `total_s`. Unknown is None.

    `firmware_s` and `loader_s` are parts of `handoff_s` on a boot through firmware.
    """

    total_s: float | None = None
    shutdown_s: float | None = None
    handoff_s: float | None = None
    firmware_s: float | None = None
    loader_s: float | None = None
    kernel_s: float | None = None
    initrd_s: float | None = None
    userspace_s: float | None = None


class Verdict(Struct, frozen=True, kw_only=True):
    """Outcome, failure class, and the piece of evidence that decided it."""

    outcome: Outcome
    failure_class: FailureClass | None
    path: BootPath
    #: name of the rule that decided
    rule: str
    #: one sentence for people
    reason: str
    #: the deciding text or event, with control characters made visible
    evidence: str
    last_milestone: Milestone | None
    proofs: tuple[Proof, ...] = ()


# ---- records of a run ---------------------------------------------------------------------------------------


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
    #: console log, relative to the run's folder
    console: str | None = None
    evidence: str = ""
    last_milestone: Milestone | None = None
    proofs: tuple[Proof, ...] = ()
    findings: tuple[DeviceFinding, ...] = ()
    #: seconds from the trigger at which each milestone was passed
    milestones: dict[Milestone, float] = {}


CycleRecord = CycleStart | CycleEnd


class Setting(Struct, frozen=True):
    """A resolved setting and where its value came from (`command line`, `environment`, a file, `default`)."""

    value: Any
    origin: str


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
    cells: tuple[Cell, ...] = ()
    #: image name -> sha256 of its disk
    images: dict[str, str] = {}
    #: cell id -> QEMU command line of its first machine
    argv: dict[str, tuple[str, ...]] = {}
