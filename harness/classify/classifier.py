"""The verdict on a cycle: an ordered table of questions to the evidence; the first that applies decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct, structs

from harness.classify.milestones import Progress, phases
from harness.classify.proof import prove
from harness.model import (
    BootPath,
    Evidence,
    FailureClass,
    Milestone,
    Outcome,
    Phases,
    Proof,
    Verdict,
)

MAX_TEXT = 400
MAX_UNITS = 20


class Judgement(Struct, frozen=True, kw_only=True):
    """A cycle's verdict and what was measured on the way to it."""

    verdict: Verdict
    phases: Phases
    #: seconds from the trigger
    milestones: dict[Milestone, float]
    kernel_after: str | None


class _Case(Struct, frozen=True):
    """What the questions are asked of."""

    evidence: Evidence
    progress: Progress
    path: BootPath
    proofs: tuple[Proof, ...]

    @property
    def ready(self) -> dict[str, Any]:
        return self.progress.ready or {}

    def fail(self, failure_class: FailureClass, rule: str, reason: str, evidence: str = "") -> Verdict:
        return Verdict(
            outcome=Outcome.FAIL,
            failure_class=failure_class,
            path=self.path,
            rule=rule,
            reason=visible(reason),
            evidence=visible(evidence),
            last_milestone=self.progress.last,
            proofs=self.proofs,
        )


def classify(evidence: Evidence) -> Judgement:
    """Judge a cycle. Pure: the same evidence always gives the same judgement."""
    expectation = evidence.expectation
    progress = Progress(expectation.boot_id_before).feed_all(evidence.events)
    path, proofs = prove(progress, expectation)
    case = _Case(evidence, progress, path, proofs)
    verdict = next((found for rule in RULES if (found := rule(case))), None) or _passed(case)
    trigger = progress.at.get(Milestone.TRIGGER, 0.0)
    kernel = case.ready.get("kernel_release")
    return Judgement(
        verdict=verdict,
        phases=phases(progress.at),
        milestones={milestone: t - trigger for milestone, t in progress.at.items()},
        kernel_after=visible(kernel) if isinstance(kernel, str) else None,
    )


def visible(text: str) -> str:
    """Untrusted text cut to a readable length, with control characters as escapes."""
    escaped = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[:MAX_TEXT])
    return escaped if len(text) <= MAX_TEXT else escaped + " ..."


def _passed(case: _Case) -> Verdict:
    agreeing = ", ".join(proof.channel for proof in case.proofs if proof.path is case.path)
    return structs.replace(
        case.fail(FailureClass.NO_READY, "proven", f"booted by {case.path.value}, as {agreeing} agree"),
        outcome=Outcome.PASS,
        failure_class=None,
    )


# ---- the questions, in order -------------------------------------------------------------------------------


def _qemu_ended(case: _Case) -> Verdict | None:
    ended = case.progress.exit
    if ended is None:
        return None
    how = f"killed by signal {-ended.status}" if ended.status < 0 else f"exit status {ended.status}"
    return case.fail(FailureClass.QEMU_ABORT, "qemu-ended", f"QEMU ended during the cycle ({how})", ended.stderr)


def _fatal_text(case: _Case) -> Verdict | None:
    fatal = case.progress.fatal
    # A boot that came up all the same was not ended by this text; one that had come up may be.
    if fatal is None or fatal.t <= case.progress.at.get(Milestone.READY, float("-inf")):
        return None
    return case.fail(fatal.rule.failure_class, fatal.rule.name, fatal.rule.reason.format(line=fatal.line), fatal.line)


def _refused(case: _Case) -> Verdict | None:
    if case.progress.refused is None or case.progress.ready is not None:
        return None
    return case.fail(FailureClass.NO_REBOOT, "reboot-refused", f"the guest did not reboot: {case.progress.refused}")


def _reset_loop(case: _Case) -> Verdict | None:
    resets = len(case.progress.resets)
    allowed = 0 if case.progress.jumped_at else 1
    if resets <= allowed:
        return None
    after = " after the jump into the new kernel" if case.progress.jumped_at else ""
    plural = "once" if resets == 1 else f"{resets} times"
    return case.fail(
        FailureClass.UNEXPECTED_RESET,
        "reset-after-jump" if case.progress.jumped_at else "reset-again",
        f"the machine was reset {plural}{after}",
    )


def _silent(case: _Case) -> Verdict | None:
    """No ready report: what it is depends on how far the reboot came."""
    if case.progress.ready is not None:
        return None
    last = case.progress.last
    waited = f" within {case.evidence.deadline_s:.0f} s" if case.evidence.deadline_s is not None else ""
    if last in {None, Milestone.TRIGGER, Milestone.SHUTDOWN_DONE}:
        reason = f"the old system did not finish its shutdown{waited}"
        return case.fail(FailureClass.SHUTDOWN_HANG, "no-handoff", reason)
    if last in {Milestone.HANDOFF, Milestone.FIRMWARE, Milestone.LOADER}:
        reason = f"no line of the new kernel{waited} after {last.value}"
        return case.fail(FailureClass.HANG_BEFORE_KERNEL, "no-kernel-line", reason)
    name = last.value if last else "nothing"
    return case.fail(FailureClass.NO_READY, "no-ready", f"no ready report{waited}; the last milestone was {name}")


def _conflict(case: _Case) -> Verdict | None:
    said = "; ".join(f"{proof.channel}: {proof.detail}" for proof in case.proofs)
    if case.path is BootPath.CONFLICT:
        return case.fail(FailureClass.PROOF_CONFLICT, "channels-disagree", f"the channels disagree ({said})", said)
    if case.path is BootPath.NONE:
        return case.fail(
            FailureClass.PROOF_CONFLICT, "too-few-channels", f"too few channels tell the path ({said})", said
        )
    if case.ready.get("nonce") != case.evidence.expectation.nonce:
        reason = "the ready report does not carry this cycle's nonce"
        return case.fail(FailureClass.PROOF_CONFLICT, "wrong-nonce", reason, str(case.ready.get("nonce")))
    return None


def _wrong_path(case: _Case) -> Verdict | None:
    if case.path is case.evidence.expectation.path:
        return None
    if case.path is BootPath.KEXEC:
        reason = "the machine was to go through firmware, but a loaded kernel was executed"
        return case.fail(FailureClass.UNEXPECTED_KEXEC, "kexec-instead-of-firmware", reason)
    said = case.progress.kexec_load_said
    reason = "the reboot went through firmware instead of kexec" + (f"; kexec-load: {said}" if said else "")
    return case.fail(FailureClass.FELL_BACK_TO_FIRMWARE, "firmware-instead-of-kexec", reason, said or "")


def _wrong_kernel(case: _Case) -> Verdict | None:
    expected, found = case.evidence.expectation.kernel_expected, case.ready.get("kernel_release")
    if expected is None or found == expected:
        return None
    return case.fail(FailureClass.WRONG_KERNEL, "wrong-kernel", f"kernel {found} runs, {expected} was to")


def _devices(case: _Case) -> Verdict | None:
    failed = [finding for finding in case.evidence.findings if not finding.ok]
    if not failed:
        return None
    said = "; ".join(f"{finding.check}: {finding.detail}" for finding in failed)
    return case.fail(
        FailureClass.DEVICE_FAILED, "device-check", f"a device does not work after the reboot: {said}", said
    )


def _degraded(case: _Case) -> Verdict | None:
    units, state = case.ready.get("failed_units"), case.ready.get("state")
    if not units and state == "running":
        return None
    names = ", ".join(str(unit) for unit in units[:MAX_UNITS]) if isinstance(units, list) and units else "none named"
    return case.fail(FailureClass.DEGRADED, "system-state", f"the system is {state}; failed units: {names}", names)


RULES: tuple[Callable[[_Case], Verdict | None], ...] = (
    _qemu_ended,
    _fatal_text,
    _refused,
    _reset_loop,
    _silent,
    _conflict,
    _wrong_path,
    _wrong_kernel,
    _devices,
    _degraded,
)
