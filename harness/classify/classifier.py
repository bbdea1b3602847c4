"""The verdict on a cycle: an ordered table of questions to the evidence; the first that applies decides."""

from __future__ import annotations

from msgspec import Struct

from harness.classify.case import Case, visible
from harness.classify.machine_questions import MACHINE_QUESTIONS, broken_emulator, torn_patch
from harness.classify.milestones import Progress, phases
from harness.classify.proof import prove
from harness.classify.questions import CAME_UP_QUESTIONS, TEXT_QUESTIONS
from harness.model import BootPath, Confidence, Evidence, Milestone, Outcome, Phases, Stage, Verdict

__all__ = ["RULES", "Judgement", "classify", "visible"]

#: What the machine did comes first, then what its text says, then what a system that came up shows.
RULES = (*MACHINE_QUESTIONS, *TEXT_QUESTIONS, *CAME_UP_QUESTIONS)
#: how a reason begins that says which way a system came up
PASSED_BY = {
    BootPath.KEXEC: "booted by kexec",
    BootPath.FIRMWARE: "booted by firmware",
    BootPath.SOFT: "userspace was started anew under the same kernel",
}


class Judgement(Struct, frozen=True, kw_only=True):
    """A cycle's verdict and what was measured on the way to it."""

    verdict: Verdict
    phases: Phases
    #: seconds from the trigger
    milestones: dict[Milestone, float]
    kernel_after: str | None
    #: oopses and warnings by their signatures, as `Evidence.baseline` has them
    signatures: tuple[str, ...] = ()


def classify(evidence: Evidence) -> Judgement:
    """Judge a cycle. Pure: the same evidence always gives the same judgement."""
    expectation = evidence.expectation
    progress = Progress(
        expectation.boot_id_before,
        offset=evidence.console_offset,
        newlines=evidence.console_newlines,
        power_cycle=expectation.power_cycle,
        soft=expectation.path is BootPath.SOFT,
    ).feed_all(evidence.events)
    path, proofs = prove(progress, expectation)
    case = Case(evidence, progress, path, proofs)
    verdict = next((found for rule in RULES if (found := rule(case))), None) or _passed(case)
    verdict = torn_patch(case, broken_emulator(case, verdict))
    trigger = progress.at.get(Milestone.TRIGGER, 0.0)
    kernel = case.ready.get("kernel_release")
    return Judgement(
        verdict=verdict,
        phases=phases(progress.at),
        milestones={milestone: t - trigger for milestone, t in progress.at.items()},
        kernel_after=visible(kernel) if isinstance(kernel, str) else None,
        signatures=tuple(dict.fromkeys(visible(sign.signature) for sign in progress.console.symptoms)),
    )


def _passed(case: Case) -> Verdict:
    agreeing = ", ".join(proof.channel for proof in case.proofs if proof.path is case.path)
    return Verdict(
        outcome=Outcome.PASS,
        failure_class=None,
        path=case.path,
        rule="proven",
        reason=f"{PASSED_BY[case.path]}, as {agreeing} agree",
        evidence="",
        last_milestone=case.progress.last,
        proofs=case.proofs,
        stage=Stage.UP,
        confidence=Confidence.HIGH,
    )
