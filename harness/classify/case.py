"""What the questions of the classifier are asked of, and how an answer becomes a verdict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct, structs

from harness.classify.blame import blame
from harness.classify.console import Sign
from harness.classify.milestones import Progress
from harness.model import (
    Blame,
    BootPath,
    Confidence,
    Evidence,
    FailureClass,
    Outcome,
    Proof,
    Span,
    Stage,
    Verdict,
)

MAX_TEXT = 400
#: share of their time that vCPUs must have waited for the host before stalls, lockups and the like are the host's
STARVED_SHARE = 0.4


def visible(text: str) -> str:
    """Untrusted text cut to a readable length, with control characters as escapes."""
    escaped = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[:MAX_TEXT])
    return escaped if len(text) <= MAX_TEXT else escaped + " ..."


class Case(Struct, frozen=True):
    """A cycle before its verdict."""

    evidence: Evidence
    progress: Progress
    path: BootPath
    proofs: tuple[Proof, ...]

    @property
    def ready(self) -> dict[str, Any]:
        """The guest's report that it is up; empty without one."""
        return self.progress.ready or {}

    @property
    def waiting_share(self) -> float | None:
        """The part of the time in which vCPUs wanted to run that they waited for the host; None if unknown."""
        ran, waited = self.evidence.vcpu_s, self.evidence.vcpu_wait_s
        if ran is None or waited is None:
            return None
        return waited / (ran + waited) if ran + waited > 0 else 0.0

    def fail(
        self,
        failure_class: FailureClass,
        rule: str,
        reason: str,
        evidence: str = "",
        *,
        stage: Stage | None = None,
        span: Span | None = None,
        blamed: Blame | None = None,
        confidence: Confidence = Confidence.HIGH,
    ) -> Verdict:
        """A verdict of failure; `stage` None is the one that the reboot had come to."""
        stage = stage or self.progress.stage
        return Verdict(
            outcome=Outcome.FAIL,
            failure_class=failure_class,
            path=self.path,
            rule=rule,
            reason=visible(reason),
            evidence=visible(evidence),
            last_milestone=self.progress.last,
            proofs=self.proofs,
            blame=blamed or blame(failure_class, stage),
            stage=stage,
            span=span,
            confidence=confidence,
        )

    def fail_by(self, sign: Sign, failure_class: FailureClass | None = None, **more: Any) -> Verdict:
        """A verdict that a text of the console decides; `failure_class` None is the one of its rule."""
        failure_class = failure_class or sign.rule.failure_class
        return self.fail(
            failure_class,
            more.pop("rule", sign.rule.name),
            more.pop("reason", None) or sign.rule.reason.format(line=sign.line.text),
            sign.line.text,
            stage=sign.stage,
            span=Span("console", sign.line.offset, sign.line.length, sign.line.number),
            blamed=blame(failure_class, sign.stage, of_old_kernel=sign.of_old_kernel),
            confidence=more.pop("confidence", sign.rule.confidence),
            **more,
        )

    def invalid(
        self, rule: str, reason: str, evidence: str = "", *, span: Span | None = None, blamed: Blame = Blame.HOST
    ) -> Verdict:
        """A verdict that the cycle says nothing of the guest."""
        verdict = self.fail(FailureClass.INFRASTRUCTURE, rule, reason, evidence, span=span, blamed=blamed)
        return structs.replace(verdict, outcome=Outcome.INVALID)

    def invalid_by(self, sign: Sign, rule: str, reason: str) -> Verdict:
        """The same, where a text of the console is the host's doing."""
        verdict = self.fail_by(sign, FailureClass.INFRASTRUCTURE, rule=rule, reason=reason)
        return structs.replace(verdict, outcome=Outcome.INVALID, blame=Blame.HOST)


#: A question gives its verdict, or None if it does not apply.
Question = Callable[[Case], Verdict | None]
