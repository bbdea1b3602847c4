"""Questions to what was said: text that ended the boot, silence, proofs that disagree, a system that came up wrong."""

from __future__ import annotations

from harness.classify.case import STARVED_SHARE, Case, Question
from harness.classify.console import Sign
from harness.classify.machine_questions import decided_by_text
from harness.classify.milestones import own_seconds, phases
from harness.model import Blame, BootPath, Confidence, FailureClass, Milestone, Span, Stage, Verdict

MAX_UNITS = 20
#: how far the start of the kernel by its own uptime may lie from its first line on the console: seconds, and share
START_S, START_SHARE = 5.0, 0.1

AGENT = Span("agent")
#: signs that explain a boot which did not come up; a warning explains nothing
_EXPLAINS = {
    FailureClass.KERNEL_OOPS,
    FailureClass.HARD_LOCKUP,
    FailureClass.SOFT_LOCKUP,
    FailureClass.RCU_STALL,
    FailureClass.HUNG_TASK,
    FailureClass.INITRAMFS_UNPACK,
    FailureClass.FSCK_FAILED,
    FailureClass.POWERED_OFF,
}
#: signs that count in a boot that came up, if no cold boot of the cell shows them
_COUNTS_IF_NEW = {
    FailureClass.KERNEL_OOPS,
    FailureClass.HARD_LOCKUP,
    FailureClass.SOFT_LOCKUP,
    FailureClass.RCU_STALL,
    FailureClass.HUNG_TASK,
    FailureClass.KERNEL_WARNING,
}
#: signs that a host gives to a guest whose vCPUs it does not let run
_HOSTS_DOING = {FailureClass.HARD_LOCKUP, FailureClass.SOFT_LOCKUP, FailureClass.RCU_STALL, FailureClass.HUNG_TASK}
#: share of their time that vCPUs must have waited for the host before the host may have spoilt the kernel's clock
MISTIMED_SHARE = 0.2

_WORST_FIRST = (
    FailureClass.KERNEL_OOPS,
    FailureClass.HARD_LOCKUP,
    FailureClass.SOFT_LOCKUP,
    FailureClass.RCU_STALL,
    FailureClass.INITRAMFS_UNPACK,
    FailureClass.FSCK_FAILED,
    FailureClass.POWERED_OFF,
    FailureClass.HUNG_TASK,
    FailureClass.KERNEL_WARNING,
)


def _fatal_text(case: Case) -> Verdict | None:
    return decided_by_text(case)


def _refused(case: Case) -> Verdict | None:
    if case.progress.refused is None or case.progress.ready is not None:
        return None
    reason = f"the guest did not reboot: {case.progress.refused}"
    return case.fail(FailureClass.NO_REBOOT, "reboot-refused", reason, span=AGENT)


def _silent(case: Case) -> Verdict | None:
    """No ready report: what it is depends on how far the reboot came."""
    if case.progress.ready is not None:
        return None
    waited = f" within {case.evidence.deadline_s:.0f} s" if case.evidence.deadline_s is not None else ""
    note = f"; {case.evidence.deadline_note}" if case.evidence.deadline_note else ""
    stage = case.progress.stage
    worst = _worst([sign for sign in case.progress.console.symptoms if sign.rule.failure_class in _EXPLAINS])
    if stage is Stage.SHUTDOWN or stage is Stage.DEVICE_SHUTDOWN:
        return _stuck_in_shutdown(case, stage, waited, note, worst)
    if worst is not None and not worst.of_old_kernel:
        return _starved(case, worst) or case.fail_by(worst, confidence=Confidence.MEDIUM)
    last = case.progress.last
    if stage is Stage.HANDOFF:
        reason = f"no line of the new kernel{waited} after {last.value if last else 'power-on'}{note}"
        return case.fail(FailureClass.HANG_BEFORE_KERNEL, "no-kernel-line", reason, confidence=Confidence.MEDIUM)
    name = last.value if last else "nothing"
    reason = f"no ready report{waited}; the last milestone was {name}{note}"
    return case.fail(FailureClass.NO_READY, "no-ready", reason, confidence=Confidence.MEDIUM)


def _stuck_in_shutdown(case: Case, stage: Stage, waited: str, note: str, worst: Sign | None) -> Verdict:
    if worst is not None and worst.rule.failure_class is FailureClass.KERNEL_OOPS:
        return case.fail_by(worst, FailureClass.OUTGOING_KERNEL_CRASH, confidence=Confidence.MEDIUM)
    if worst is not None and worst.rule.failure_class is FailureClass.POWERED_OFF:
        return case.fail_by(worst)
    holder = case.progress.console.holder
    held = (f"; held by {holder}" if holder else "") + note
    if stage is Stage.DEVICE_SHUTDOWN:
        reason = f"the old kernel did not let go of its devices{waited}{held}"
        return case.fail(
            FailureClass.DEVICE_SHUTDOWN_HANG, "no-handoff", reason, holder or "", confidence=Confidence.MEDIUM
        )
    reason = f"the old system did not finish its shutdown{waited}{held}"
    confidence = Confidence.HIGH if holder else Confidence.MEDIUM
    return case.fail(FailureClass.SHUTDOWN_HANG, "no-shutdown-end", reason, holder or "", confidence=confidence)


def _worst(signs: list[Sign]) -> Sign | None:
    return min(signs, key=lambda sign: _WORST_FIRST.index(sign.rule.failure_class), default=None)


# ---- it came up ---------------------------------------------------------------------------------------------


def _conflict(case: Case) -> Verdict | None:
    said = "; ".join(f"{proof.channel}: {proof.detail}" for proof in case.proofs)
    conflict = FailureClass.PROOF_CONFLICT
    if case.path is BootPath.CONFLICT:
        return case.fail(conflict, "channels-disagree", f"the channels disagree ({said})", said)
    if case.path is BootPath.NONE:
        return case.fail(conflict, "too-few-channels", f"too few channels tell the path ({said})", said)
    nonce = case.ready.get("nonce")
    if nonce != case.evidence.expectation.nonce:
        reason = "the ready report does not carry this cycle's nonce"
        return case.fail(conflict, "wrong-nonce", reason, str(nonce), span=AGENT)
    return None


def _disowned(case: Case) -> Verdict | None:
    """The running system, when asked, is not the one that reported: somebody forged the report or the console."""
    if case.progress.disowned:
        reason = "after the report of one system another one spoke, and nothing was reset in between"
        return case.fail(FailureClass.PROOF_CONFLICT, "report-disowned", reason, span=AGENT)
    identity = case.progress.identity
    if identity is None:
        return None
    reported = case.ready.get("boot_id")
    if identity.boot_id != reported:
        reason = "the system that runs is not the one that reported to be ready"
        said = f"reported {reported}, running {identity.boot_id}"
        return case.fail(FailureClass.PROOF_CONFLICT, "report-disowned", reason, said, span=AGENT)
    return None


def _started_at_another_time(case: Case) -> Verdict | None:
    """The running kernel's uptime does not fit its first line on the console: that line was somebody else's."""
    identity, first_line = case.progress.identity, case.progress.at.get(Milestone.KERNEL)
    if identity is None or first_line is None or identity.uptime_s is None:
        return None
    earliest, latest = identity.asked_at - identity.uptime_s, identity.t - identity.uptime_s
    apart = max(earliest - first_line, first_line - latest)
    if apart <= START_S + START_SHARE * identity.uptime_s:
        return None
    side = "after" if earliest > first_line else "before"
    reason = f"the kernel that runs started {apart:.0f} s {side} the console's first line of a new kernel"
    share = case.waiting_share
    if share is None or share < MISTIMED_SHARE:
        return case.fail(FailureClass.PROOF_CONFLICT, "kernel-start", reason, span=AGENT)
    # A kernel measures its clock in its first moments: if a vCPU has to wait then, the clock is wrong from then on.
    reason += f"; but the vCPUs waited {share:.0%} of their time for the host, and a kernel's clock suffers from that"
    return case.invalid("host-starved", reason, span=AGENT)


def wrong_path(case: Case) -> Verdict | None:
    """The verdict on a reboot that came up by another path than it was to."""
    expected = case.evidence.expectation.path
    if case.path is expected:
        return None
    if BootPath.SOFT in {case.path, expected}:
        return _soft_or_not(case, expected)
    if case.path is BootPath.KEXEC:
        reason = "the machine was to go through firmware, but a loaded kernel was executed"
        return case.fail(FailureClass.UNEXPECTED_KEXEC, "kexec-instead-of-firmware", reason)
    said = case.progress.console.kexec_load_said
    reason = "the reboot went through firmware instead of kexec" + (f"; kexec-load: {said}" if said else "")
    failure_class, rule = FailureClass.FELL_BACK_TO_FIRMWARE, "firmware-instead-of-kexec"
    if said and said.startswith("standing aside"):
        failure_class, rule = FailureClass.STOOD_ASIDE, "kexec-load-stood-aside"
    elif said and said.startswith("load failed"):
        failure_class, rule = FailureClass.LOAD_REFUSED, "kexec-load-failed"
    return case.fail(failure_class, rule, reason, said or "", stage=Stage.SHUTDOWN)


def _soft_or_not(case: Case, expected: BootPath) -> Verdict:
    """Userspace alone was to start anew, or did where a kernel was to be started."""
    rule = f"{case.path.value}-instead-of-{expected.value}"
    if case.path is BootPath.SOFT:
        reason = "userspace alone was started anew: the kernel that was to be left goes on"
        return case.fail(FailureClass.UNEXPECTED_SOFT_REBOOT, rule, reason, stage=Stage.SHUTDOWN)
    if case.path is BootPath.KEXEC:
        reason = "userspace alone was to be started anew, but a loaded kernel was executed"
        return case.fail(FailureClass.UNEXPECTED_KEXEC, rule, reason)
    reason = "userspace alone was to be started anew, but the machine went through firmware"
    return case.fail(FailureClass.FELL_BACK_TO_FIRMWARE, rule, reason, stage=Stage.SHUTDOWN, blamed=Blame.USERSPACE)


def _wrong_kernel(case: Case) -> Verdict | None:
    expected, found = case.evidence.expectation.kernel_expected, case.ready.get("kernel_release")
    if expected is None or found == expected:
        return None
    reason = f"kernel {found} runs, {expected} was to"
    return case.fail(FailureClass.WRONG_KERNEL, "wrong-kernel", reason, str(found), span=AGENT)


def _devices(case: Case) -> Verdict | None:
    failed = [finding for finding in case.evidence.findings if not finding.ok]
    if not failed:
        return None
    said = "; ".join(f"{finding.check}: {finding.detail}" for finding in failed)
    if any(finding.check == "present" for finding in failed):
        reason = f"a device is missing after the reboot: {said}"
        return case.fail(FailureClass.DEVICE_MISSING, "device-missing", reason, said, span=AGENT)
    reason = f"a device does not work after the reboot: {said}"
    return case.fail(FailureClass.DEVICE_FAILED, "device-check", reason, said, span=AGENT)


def new_symptom(case: Case, *, warnings: bool = True) -> Verdict | None:
    """The verdict on a system that came up with an oops, a lockup or a warning that it did not have before."""
    new = [
        sign
        for sign in case.progress.console.symptoms
        if sign.rule.failure_class in _COUNTS_IF_NEW
        and sign.signature not in case.evidence.baseline
        and (warnings or sign.rule.failure_class is not FailureClass.KERNEL_WARNING)
    ]
    worst = _worst(new)
    return (_starved(case, worst) or case.fail_by(worst, confidence=Confidence.HIGH)) if worst else None


def _starved(case: Case, sign: Sign) -> Verdict | None:
    """A stall or a lockup in a guest that its host did not let run says nothing of the guest."""
    share = case.waiting_share
    if sign.rule.failure_class not in _HOSTS_DOING or share is None or share < STARVED_SHARE:
        return None
    reason = f"the vCPUs waited {share:.0%} of their time for the host; {sign.rule.name}: {sign.line.text}"
    return case.invalid_by(sign, "host-starved", reason)


def _degraded(case: Case) -> Verdict | None:
    units, state = case.ready.get("failed_units"), case.ready.get("state")
    if not units and state == "running":
        return None
    names = ", ".join(str(unit) for unit in units[:MAX_UNITS]) if isinstance(units, list) and units else "none named"
    reason = f"the system is {state}; failed units: {names}"
    return case.fail(FailureClass.DEGRADED, "system-state", reason, names, stage=Stage.USERSPACE, span=AGENT)


def _slow(case: Case) -> Verdict | None:
    limit, took = case.evidence.slow_above_s, own_seconds(phases(case.progress.at), case.evidence)
    if limit is None or took is None or took <= limit:
        return None
    handoff = " without its hand-off" if case.evidence.emulated else ""
    reason = f"the reboot took {took:.1f} s{handoff}, where this cell's others let expect {limit:.1f} s at most"
    return case.fail(FailureClass.SLOW, "slow", reason, confidence=Confidence.MEDIUM)


TEXT_QUESTIONS: tuple[Question, ...] = (_fatal_text, _refused, _silent)


def _died(case: Case) -> Verdict | None:
    """Seen only when the next reboot is prepared; the boot that died is charged with it, not the next one."""
    if case.evidence.died is None:
        return None
    reason = f"the system came up, and did not last until its next reboot: {case.evidence.died}"
    return case.fail(FailureClass.DIED_AFTER_READY, "died-after-ready", reason, stage=Stage.UP, span=AGENT)


CAME_UP_QUESTIONS: tuple[Question, ...] = (
    _conflict,
    _died,
    _disowned,
    _started_at_another_time,
    wrong_path,
    _wrong_kernel,
    _devices,
    new_symptom,
    _degraded,
    _slow,
)
