"""What is usual for a cell: the oopses and warnings of its cold boots, and how long its reboots take."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from harness.classify.milestones import own_seconds
from harness.cycle import CycleResult, Usual
from harness.devices.inventory import Inventory
from harness.model import SETUP, BootPath, Outcome

#: reboots of an arm before any is called slow
ENOUGH = 8
#: A reboot is slow when it takes more than the arm's median by this many median absolute deviations, and by at least
#: this share of the median and this many seconds: emulation on a busy host is uneven.
DEVIATIONS, SHARE, SECONDS = 10.0, 1.0, 10.0


class UsualOfCell:
    """Learns from every cycle of a cell that passed; gives what the next one is held against.

    `emulated`: no hardware runs the guest's code.
    """

    def __init__(self, *, emulated: bool = False) -> None:
        self._emulated = emulated
        self._signatures: set[str] = set()
        self._seconds: dict[str, list[float]] = {}
        #: of the first cold boot; None before it
        self.devices: Inventory | None = None

    def of(self, method: str) -> Usual:
        """What is usual for the next reboot by `method`."""
        return Usual(
            frozenset(self._signatures),
            slow_above(self._seconds.get(method, ())),
            emulated=self._emulated,
            devices=self.devices,
        )

    def learn_signatures(self, signatures: Sequence[str]) -> None:
        """Take the oopses and warnings of a boot through firmware into account."""
        self._signatures.update(signatures)

    def learn(self, method: str, result: CycleResult) -> None:
        """Take a cycle into account; a cold boot's warnings count even if they are why it did not pass."""
        verdict = result.judgement.verdict
        if verdict.path is BootPath.FIRMWARE and result.evidence.expectation.path is BootPath.FIRMWARE:
            self.learn_signatures(result.judgement.signatures)
        took = own_seconds(result.judgement.phases, result.evidence)
        if verdict.outcome is Outcome.PASS and took is not None and method != SETUP:
            self._seconds.setdefault(method, []).append(took)


def slow_above(seconds: Sequence[float]) -> float | None:
    """The time beyond which another reboot of these is slow; None while they are too few."""
    if len(seconds) < ENOUGH:
        return None
    median = statistics.median(seconds)
    deviation = statistics.median(abs(value - median) for value in seconds)
    return median + max(DEVIATIONS * deviation, SHARE * median, SECONDS)
