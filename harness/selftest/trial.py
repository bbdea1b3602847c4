"""A trial: one reboot of the self-test, what was done to it, what had to be said of it, and what was said."""

from __future__ import annotations

from msgspec import Struct

from harness.classify.milestones import Progress
from harness.faults.base import Fault
from harness.model import EndReason, Evidence, FailureClass, Outcome, Verdict

#: how a trial without a fault is called
CLEAN = "clean"


class Trial(Struct, frozen=True, kw_only=True):
    """One judged reboot of the self-test."""

    image: str
    #: number within its image, from 0
    number: int
    #: name of the fault, or `CLEAN`
    fault: str
    method: str
    expected_outcome: Outcome
    #: classes that are right; empty for a reboot that has to pass
    expected: tuple[FailureClass, ...]
    verdict: Verdict
    #: seconds from the moment at which the deciding text was read to the verdict; None if no text decided
    text_to_verdict_s: float | None
    #: seconds that the whole trial took, with putting the machine back
    took_s: float
    #: what else is wrong with the verdict: another stage or blame than the fault's
    complaints: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Whether the verdict is the one that it had to be."""
        return self.verdict.outcome is self.expected_outcome and self._class_is_right and not self.complaints

    @property
    def must_pass(self) -> bool:
        """Whether nothing is wrong with this reboot, whatever it looks like: anything but a pass is a false alarm."""
        return not self.expected

    @property
    def _class_is_right(self) -> bool:
        return self.verdict.failure_class in self.expected if self.expected else self.verdict.failure_class is None

    @property
    def expected_name(self) -> str:
        """What had to be reported: a class, or `pass`."""
        return self.expected[0].value if self.expected else Outcome.PASS.value

    @property
    def found_name(self) -> str:
        """What was reported. Another class of those that are right counts as the first of them."""
        if self._class_is_right and self.expected:
            return self.expected_name
        found = self.verdict.failure_class
        return found.value if found is not None else self.verdict.outcome.value


def complaints(fault: Fault, verdict: Verdict) -> tuple[str, ...]:
    """Stage and blame, where the fault leaves no doubt about them and the verdict says something else."""
    return tuple(
        f"{what}: {found.value if found else 'none'} instead of {wanted.value}"
        for what, wanted, found in (("stage", fault.stage, verdict.stage), ("blame", fault.blame, verdict.blame))
        if wanted is not None and found is not wanted
    )


def deciding_text_at(evidence: Evidence) -> float | None:
    """When the text arrived that ended the cycle, on the machine's clock; None if it was no text."""
    if evidence.ended_by is not EndReason.FATAL:
        return None
    ending = (
        Progress(evidence.expectation.boot_id_before, power_cycle=evidence.expectation.power_cycle)
        .feed_all(evidence.events)
        .ending
    )
    return ending.t if ending is not None else None
