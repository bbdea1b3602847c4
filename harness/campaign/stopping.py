"""When a cell's campaign has seen enough: `fixed` runs every block, `auto` until every question is settled.

Asked after each whole block, never within one: a block that breaks off at its first failure would count that failure
and not what the other arm would have done.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct

from harness.campaign.gates import BASELINE
from harness.clock import Clock
from harness.config.stop import time_limit
from harness.model import CycleEnd, Outcome
from harness.stats import sentences
from harness.stats.compare import Decision, compare_blocks, decide_at_any_time
from harness.stats.judge import hold_against
from harness.stats.proportion import rate
from harness.stats.sequential import Paired, tally


class StopSettings(Struct, frozen=True, kw_only=True):
    """What a stop rule is told: the setting `stop`, and what the gates ask."""

    stop: str = "fixed"
    margin: float
    max_failure_rate: float | None = None
    #: comparisons of the whole campaign, which share one error of calling an arm worse for nothing
    gates: int = 1


class StopRule:
    """Follows one cell's campaign; `after_block` says whether and why it ends."""

    def __init__(self, settings: StopSettings, methods: Sequence[str], clock: Clock) -> None:
        self._settings, self._methods, self._clock = settings, methods, clock
        self._limit = time_limit(settings.stop)
        self._started = clock.monotonic()
        #: block -> arm -> whether it failed, of the blocks that are under way and the last one that is over
        self._open: dict[int, dict[str, bool]] = defaultdict(dict)
        self._closed: tuple[int, dict[str, bool]] = (-1, {})
        self._paired: dict[str, Paired] = defaultdict(Paired)
        self._counts: dict[str, tuple[int, int]] = dict.fromkeys(methods, (0, 0))
        self._blocks = 0

    def add(self, end: CycleEnd) -> None:
        """Take note of a finished cycle of the block at hand. An invalid one says nothing."""
        if end.method not in self._counts or end.outcome is Outcome.INVALID:
            return
        has_failed = end.outcome is Outcome.FAIL
        failed, n = self._counts[end.method]
        self._counts[end.method] = (failed + has_failed, n + 1)
        self._open[end.block][end.method] = has_failed

    def take_back(self, end: CycleEnd) -> None:
        """A cycle that had passed, the last one, has failed after all."""
        failed, n = self._counts[end.method]
        self._counts[end.method] = (failed + 1, n)
        block, outcomes = self._closed
        if end.block != block:
            self._open[end.block][end.method] = True
            return
        for name in self._candidates():
            now = {**outcomes, end.method: True}
            self._paired[name] += _pair(now, name) - _pair(outcomes, name)
        outcomes[end.method] = True

    def after_block(self, block: int) -> str | None:
        """This block is over: why to stop here, in a sentence; None to go on."""
        self._blocks += 1
        outcomes = self._open.pop(block, {})
        self._closed = (block, outcomes)
        for name in self._candidates():
            self._paired[name] += _pair(outcomes, name)
        if self._limit is not None and self._clock.monotonic() - self._started >= self._limit:
            return sentences.stopped(self._blocks, f"the time is up ({self._settings.stop})")
        if self._settings.stop == "auto" and (answers := self._answers()) is not None:
            return sentences.stopped(self._blocks, "; ".join(answers))
        return None

    def at_cap(self) -> str | None:
        """What to say when the last planned block is over and nothing has stopped the run before; None if fixed."""
        if self._settings.stop == "fixed":
            return None
        asked = bool(self._candidates()) or self._settings.max_failure_rate is not None
        why = "and not every question is settled" if asked else "and there was no question to settle"
        return sentences.stopped(self._blocks, f"no more are planned, {why}")

    def _candidates(self) -> list[str]:
        return [name for name in self._methods if name != BASELINE] if BASELINE in self._methods else []

    def _answers(self) -> list[str] | None:
        """The answer to every question, once all are settled; None before. With no question there is no answer."""
        settings, answers = self._settings, []
        for name in self._candidates():
            paired = self._paired[name]
            if decide_at_any_time(paired, margin=settings.margin, gates=settings.gates) is Decision.UNDECIDED:
                return None
        for name in self._methods if settings.max_failure_rate is not None else ():
            found = hold_against(rate(*self._counts[name]), name, settings.max_failure_rate or 0.0, anytime=True)
            if found.meets is None:
                return None
            answers.append(found.sentence)
        for name in self._candidates():
            arms = rate(*self._counts[name]), rate(*self._counts[BASELINE])
            found_pair = compare_blocks(
                self._paired[name], *arms, names=(name, BASELINE), margin=settings.margin, gates=settings.gates
            )
            answers.append(found_pair.sentence)
        return answers or None


def _pair(outcomes: Mapping[str, bool], name: str) -> Paired:
    return tally([(outcomes.get(name), outcomes.get(BASELINE))])
