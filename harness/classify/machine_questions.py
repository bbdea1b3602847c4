"""Questions to what the machine did: QEMU's end, resets that nobody asked for, a watchdog, the power switch."""

from __future__ import annotations

from harness.classify.case import STARVED_SHARE, Case, Question
from harness.classify.pulse import INTERNAL_ERROR, GuestState
from harness.model import (
    QMP_LOST,
    Blame,
    BootPath,
    Confidence,
    EndReason,
    FailureClass,
    Milestone,
    Outcome,
    ProcessExit,
    QmpEvent,
    Span,
    Stage,
    Verdict,
)

QMP = Span("qmp")
#: what QEMU prints when the kernel's virtual machine monitor gives up (accel/kvm/kvm-all.c)
KVM_ERROR = "KVM internal error"


#: what a kernel says of a breakpoint that nobody has set
TORN_PATCH = "Oops: int3:"


def _watchdog(case: Case) -> Verdict | None:
    if case.progress.watchdog is None:
        return None
    action = case.progress.watchdog.data.get("action", "")
    last = case.progress.reset_after[-1][0] if case.progress.reset_after else case.progress.last
    reason = f"a watchdog stepped in ({action}) after {last.value if last else 'nothing'}"
    return case.fail(FailureClass.WATCHDOG_RESCUE, "watchdog", reason, str(action), span=QMP)


def _powered_off(case: Case) -> Verdict | None:
    if case.progress.powered_off is None:
        return None
    # A panic that is followed by the end of the machine is a panic.
    if case.progress.ending is not None:
        return None
    reason = "the machine was switched off instead of rebooted"
    return case.fail(FailureClass.POWERED_OFF, "powered-off", reason, "SHUTDOWN guest-shutdown", span=QMP)


def _qemu_ended(case: Case) -> Verdict | None:
    ended = case.progress.exit
    if ended is None:
        return None
    span = Span("qemu.stderr") if ended.stderr else None
    if KVM_ERROR in ended.stderr:
        reason = "KVM could not run the guest any further"
        return case.fail(FailureClass.KVM_INTERNAL_ERROR, "kvm-internal-error", reason, ended.stderr, span=span)
    reason = f"QEMU ended during the cycle ({how_it_ended(ended)})"
    return case.fail(FailureClass.QEMU_ABORT, "qemu-ended", reason, ended.stderr, span=span)


def _qmp_lost(case: Case) -> Verdict | None:
    """QEMU lives, but from then on nobody has seen what it did to its machine."""
    if not any(isinstance(event, QmpEvent) and event.name == QMP_LOST for event in case.evidence.events):
        return None
    reason = "QEMU closed its control socket: nobody has seen whether the machine was reset after that"
    return case.invalid("qmp-lost", reason, span=QMP)


def how_it_ended(ended: ProcessExit) -> str:
    """A process's status in words."""
    return f"killed by signal {-ended.status}" if ended.status < 0 else f"exit status {ended.status}"


def _internal_error(case: Case) -> Verdict | None:
    stopped = [event for event in case.evidence.events if isinstance(event, QmpEvent) and event.name == "STOP"]
    pulse = case.progress.pulse
    heard = pulse.state is GuestState.STOPPED and pulse.runstate == INTERNAL_ERROR
    if not heard and (not stopped or stopped[-1].data.get("status") != INTERNAL_ERROR):
        return None
    reason = "KVM could not run the guest any further"
    return case.fail(FailureClass.KVM_INTERNAL_ERROR, "kvm-internal-error", reason, span=QMP)


def _qemu_hung(case: Case) -> Verdict | None:
    """QEMU lives, and does not answer its control socket any more."""
    pulse = case.progress.pulse
    if case.evidence.ended_by is not EndReason.DEADLINE or pulse.state is not GuestState.QEMU_HUNG:
        return None
    seconds = case.evidence.events[-1].t - pulse.since
    reason = f"QEMU lives, and has not answered for {seconds:.0f} s"
    return case.fail(FailureClass.QEMU_HANG, "qemu-silent", reason, pulse.describe(), span=QMP)


def _stopped_by_host(case: Case) -> Verdict | None:
    """QEMU has stopped the guest for a disk of the host's that is full or fails, or somebody has."""
    pulse = case.progress.pulse
    if case.evidence.ended_by is not EndReason.DEADLINE or pulse.state is not GuestState.STOPPED:
        return None
    errors = [event for event in case.evidence.events if isinstance(event, QmpEvent) and event.name == "BLOCK_IO_ERROR"]
    if errors:
        full = errors[-1].data.get("nospace") is True
        what = "the host's disk is full" if full else "a disk of the host's gave an error"
        reason, rule = f"{what}, for which QEMU stopped the machine", "host-disk"
    else:
        reason, rule = f"somebody on the host had stopped the machine ({pulse.runstate})", "stopped-by-host"
    said = str(errors[-1].data.get("reason", "")) if errors else ""
    return case.invalid(rule, reason, said, span=QMP)


def _ending_before_reset(case: Case) -> Verdict | None:
    """Text that ended a boot explains the resets that follow it."""
    return decided_by_text(case) if case.progress.resets else None


def decided_by_text(case: Case) -> Verdict | None:
    """The verdict of the text that ended the boot, with the class that it has at that place."""
    sign = case.progress.ending
    if sign is None:
        return None
    failure_class = sign.rule.failure_class
    if sign.of_old_kernel and sign.rule.kernel:
        failure_class = FailureClass.OUTGOING_KERNEL_CRASH
    elif failure_class is FailureClass.KERNEL_PANIC and sign.stage in {Stage.HANDOFF, Stage.KERNEL}:
        failure_class = FailureClass.EARLY_PANIC
    unpacked = [found for found in case.progress.console.symptoms if found.rule.name == "initramfs-unpack"]
    # The kernel's own programs come from the initrd.
    without_it = failure_class in {FailureClass.ROOT_MOUNT_FAILED, FailureClass.EARLY_PANIC}
    if unpacked and (without_it or "No working init found" in sign.line.text):
        return case.fail_by(unpacked[-1], confidence=sign.rule.confidence)
    checked = [found for found in case.progress.console.symptoms if found.rule.name == "fsck"]
    if checked and failure_class is FailureClass.EMERGENCY_MODE:
        return case.fail_by(checked[-1])
    return case.fail_by(sign, failure_class)


def _not_switched_off(case: Case) -> Verdict | None:
    """A reset is no power cycle, wherever it leads."""
    progress = case.progress
    if not case.evidence.expectation.power_cycle or progress.switched_off is not None or not progress.resets:
        return None
    reason = "the machine was reset instead of switched off"
    stage = stage_of_reset(progress.reset_after[0][0])
    return case.fail(FailureClass.UNEXPECTED_RESET, "reset-not-off", reason, stage=stage, span=QMP)


def _resets(case: Case) -> Verdict | None:
    count = len(case.progress.resets)
    if not count:
        return None
    jumped = case.progress.jumped_at is not None
    excess = count - (1 if _is_due(case) else 0)
    if excess <= 0:
        return None
    after, announced = case.progress.reset_after[-excess]
    stage = stage_of_reset(after, soft=case.evidence.expectation.path is BootPath.SOFT)
    plural = "once" if count == 1 else f"{count} times"
    where = " after the jump into the new kernel" if jumped else ""
    reason = f"the machine was reset {plural}{where}; the last milestone before was {after.value if after else 'none'}"
    rule = "reset-after-jump" if jumped else "reset-again"
    if case.progress.resets_by_host:
        reason += "; somebody on the host reset it"
        return case.fail(
            FailureClass.UNEXPECTED_RESET, "reset-by-host", reason, stage=stage, span=QMP, blamed=Blame.HOST
        )
    if case.progress.looping:
        return case.fail(FailureClass.REBOOT_LOOP, "reboot-loop", reason, stage=stage, span=QMP)
    if stage in {Stage.HANDOFF, Stage.KERNEL} and not announced:
        # To QEMU a triple fault is a reset like any other, and so is a panic that had no console to print on.
        reason += ", and nothing was said of it"
        return case.fail(
            FailureClass.TRIPLE_FAULT,
            "reset-without-a-word",
            reason,
            stage=stage,
            span=QMP,
            confidence=Confidence.MEDIUM,
        )
    return case.fail(FailureClass.UNEXPECTED_RESET, rule, reason, stage=stage, span=QMP)


def _is_due(case: Case) -> bool:
    """Whether the first reset was a reboot's own, wanted or not, and no accident."""
    _, announced = case.progress.reset_after[0]
    if case.evidence.expectation.path is BootPath.SOFT:
        return announced and case.progress.jumped_at is None
    return case.progress.jumped_at is None or _belied(case)


def _belied(case: Case) -> bool:
    """A reboot through firmware was announced and came: the jump on the console is somebody's words."""
    _, announced = case.progress.reset_after[0]
    return case.evidence.expectation.path is BootPath.FIRMWARE and announced


def stage_of_reset(after: Milestone | None, *, soft: bool = False) -> Stage:
    """The stretch that was under way when the machine was reset after this milestone.

    `soft`: no hand-off was to come, and what comes after the trigger is still the shutdown.
    """
    if soft and after in {Milestone.TRIGGER, Milestone.SHUTDOWN_DONE}:
        return Stage.SHUTDOWN
    if after is Milestone.KERNEL:
        return Stage.KERNEL
    if after is Milestone.INIT:
        return Stage.INITRD
    if after in {Milestone.SYSTEMD, Milestone.READY}:
        return Stage.USERSPACE
    return Stage.HANDOFF


def broken_emulator(case: Case, verdict: Verdict) -> Verdict:
    """The verdict, unless the emulated CPU is seen to be broken: then a failure says nothing of the guest.

    A guest cannot bring this about: whatever it writes to its flags register, these bits stay 0.
    """
    flags = case.progress.pulse.impossible_flags
    if flags is None or verdict.outcome is not Outcome.FAIL or verdict.blame is Blame.HOST:
        return verdict
    reason = f"the emulated CPU is broken: bits {flags} of its flags register cannot be set; seen was: {verdict.reason}"
    return case.invalid("impossible-flags", reason, verdict.evidence, span=QMP)


def torn_patch(case: Case, verdict: Verdict) -> Verdict:
    """The verdict, unless the guest fell over its own patching of code on a host that kept its vCPUs waiting.

    A kernel patches code under a breakpoint. A vCPU that QEMU translates, and that is held up in the middle, may come
    upon that breakpoint when it is long gone (seen with QEMU 7.2 under TCG; no CPU does that).
    """
    share = case.waiting_share
    if verdict.outcome is not Outcome.FAIL or share is None or share < STARVED_SHARE:
        return verdict
    torn = next((sign for sign in case.progress.console.symptoms if TORN_PATCH in sign.line.text), None)
    if torn is None:
        return verdict
    reason = f"the vCPUs waited {share:.0%} of their time for the host, and one met a breakpoint of patched code"
    return case.invalid_by(torn, "host-starved", f"{reason}: {torn.line.text}")


MACHINE_QUESTIONS: tuple[Question, ...] = (
    _watchdog,
    _powered_off,
    _qemu_ended,
    _qmp_lost,
    _internal_error,
    _qemu_hung,
    _stopped_by_host,
    _ending_before_reset,
    _not_switched_off,
    _resets,
)
