"""What is said of a cycle: its failure class, where it stands, whose it is, and how sure that is."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Outcome(StrEnum):
    """What a cycle says of the guest. `INVALID` says nothing: the harness or the host failed."""

    PASS = "pass"
    FAIL = "fail"
    INVALID = "invalid"


class BootPath(StrEnum):
    """How the system that is up was started, as far as it is proven."""

    KEXEC = "kexec"
    FIRMWARE = "firmware"
    #: no kernel was started: userspace alone is new
    SOFT = "soft"
    NONE = "none"
    CONFLICT = "conflict"


class FailureClass(StrEnum):
    """Every way a reboot can go wrong that the harness tells apart, along the path of a reboot."""

    # Before the reboot is under way.
    NO_REBOOT = "no_reboot"
    #: the kernel refused the image that was to be loaded, with an errno
    LOAD_REFUSED = "load_refused"
    #: kexec-load chose a normal reboot, and gave its reason
    STOOD_ASIDE = "stood_aside"
    # The old system's end.
    SHUTDOWN_HANG = "shutdown_hang"
    DEVICE_SHUTDOWN_HANG = "device_shutdown_hang"
    OUTGOING_KERNEL_CRASH = "outgoing_kernel_crash"
    POWERED_OFF = "powered_off"
    # Between the kernels.
    HANG_BEFORE_KERNEL = "hang_before_kernel"
    TRIPLE_FAULT = "triple_fault"
    FELL_BACK_TO_FIRMWARE = "fell_back_to_firmware"
    UNEXPECTED_KEXEC = "unexpected_kexec"
    #: userspace alone was started anew, and the kernel was to be
    UNEXPECTED_SOFT_REBOOT = "unexpected_soft_reboot"
    # The new kernel.
    EARLY_PANIC = "early_panic"
    KERNEL_PANIC = "kernel_panic"
    KERNEL_OOPS = "kernel_oops"
    KERNEL_WARNING = "kernel_warning"
    SOFT_LOCKUP = "soft_lockup"
    HARD_LOCKUP = "hard_lockup"
    RCU_STALL = "rcu_stall"
    HUNG_TASK = "hung_task"
    # From the initramfs to the real root.
    INITRAMFS_UNPACK = "initramfs_unpack"
    ROOT_NOT_FOUND = "root_not_found"
    INITRAMFS_SHELL = "initramfs_shell"
    ROOT_MOUNT_FAILED = "root_mount_failed"
    FSCK_FAILED = "fsck_failed"
    # Userspace.
    EMERGENCY_MODE = "emergency_mode"
    DEGRADED = "degraded"
    NO_READY = "no_ready"
    # Up, and yet not as it was.
    WRONG_KERNEL = "wrong_kernel"
    DEVICE_MISSING = "device_missing"
    DEVICE_FAILED = "device_failed"
    SLOW = "slow"
    #: came up, and was dead when its next reboot was to be asked for
    DIED_AFTER_READY = "died_after_ready"
    # Resets that nobody asked for.
    UNEXPECTED_RESET = "unexpected_reset"
    REBOOT_LOOP = "reboot_loop"
    WATCHDOG_RESCUE = "watchdog_rescue"
    # The machine itself.
    QEMU_ABORT = "qemu_abort"
    QEMU_HANG = "qemu_hang"
    KVM_INTERNAL_ERROR = "kvm_internal_error"
    # The evidence.
    PROOF_CONFLICT = "proof_conflict"
    # Outcome `invalid` only:
    INFRASTRUCTURE = "infrastructure"
    INTERRUPTED = "interrupted"


class Blame(StrEnum):
    """Where to look first: whose doing a failure is, as far as its evidence tells."""

    LOADER = "loader"
    OUTGOING_KERNEL = "outgoing_kernel"
    INCOMING_KERNEL = "incoming_kernel"
    USERSPACE = "userspace"
    HARNESS = "harness"
    HOST = "host"


class Stage(StrEnum):
    """The stretches of a reboot, in order."""

    SHUTDOWN = "shutdown"
    #: the old kernel lets go of its devices, after userspace's last act
    DEVICE_SHUTDOWN = "device_shutdown"
    #: between the kernels: purgatory and decompressor, or firmware and boot loader
    HANDOFF = "handoff"
    KERNEL = "kernel"
    INITRD = "initrd"
    USERSPACE = "userspace"
    UP = "up"


class Confidence(StrEnum):
    """How sure a verdict is. `docs/verdicts.md` says what makes it so."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


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


class Span(Struct, frozen=True):
    """Where the deciding evidence stands. For text: bytes of `file`, and its line, counted from 1."""

    #: `console`, or another channel of the evidence; a path where a file was judged
    file: str
    offset: int | None = None
    length: int | None = None
    line: int | None = None


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
    blame: Blame | None = None
    #: the stretch of the reboot in which it failed, or that it reached
    stage: Stage | None = None
    span: Span | None = None
    confidence: Confidence = Confidence.HIGH
