"""What builds up over a cell's campaign: chain depth and machine lives from its records, then `trend`'s questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from msgspec import Struct

from harness.model import SETUP, Outcome, Phases
from harness.stats.trend import (
    ChangePoint,
    DepthTrend,
    FirstFailure,
    Slope,
    change_point,
    depth_trend,
    first_failures,
    slope,
)


class ChainedCycle(Protocol):
    """What is read of a finished cycle."""

    @property
    def method(self) -> str: ...
    @property
    def outcome(self) -> Outcome: ...
    @property
    def chain_depth(self) -> int | None: ...
    @property
    def phases(self) -> Phases: ...
    @property
    def mem_available_kib(self) -> int | None: ...


class BuildUp(Struct, frozen=True, kw_only=True):
    """What changes from kexec to kexec, or in the course of the campaign, for one arm."""

    #: failures by the number of kexecs in a row before the cycle
    depth: DepthTrend
    #: seconds of the total per kexec in a row
    time: Slope
    #: KiB of available memory after boot per kexec in a row
    memory: Slope
    #: where the arm's total times changed their level
    change: ChangePoint | None


#: (kexecs in a row before the cycle, the cycle)
Placed = tuple[int, ChainedCycle]


def placed(cycles: Sequence[ChainedCycle]) -> Iterator[Placed]:
    """Each cycle of a cell with its chain depth *before* it: after anything but a pass there is a new machine."""
    depth = 0
    for cycle in cycles:
        if cycle.method == SETUP:
            depth = 0
            continue
        yield depth, cycle
        depth = (cycle.chain_depth or 0) if cycle.outcome is Outcome.PASS else 0


def build_up(method: str, chain: Sequence[Placed]) -> BuildUp:
    """The questions about one arm of a cell, all of whose cycles are in `chain`."""
    mine = [(depth, cycle) for depth, cycle in chain if cycle.method == method]
    valid = [(depth, cycle) for depth, cycle in mine if cycle.outcome is not Outcome.INVALID]
    passed = [(depth, cycle) for depth, cycle in valid if cycle.outcome is Outcome.PASS]
    depths = [float(depth) for depth, _ in passed]
    times = np.array([cycle.phases.total_s for _, cycle in passed], dtype=np.float64)
    memory = np.array([cycle.mem_available_kib for _, cycle in passed], dtype=np.float64)
    return BuildUp(
        depth=depth_trend([depth for depth, _ in valid], [cycle.outcome is Outcome.FAIL for _, cycle in valid]),
        time=slope(depths, times),
        memory=slope(depths, memory),
        change=change_point(times[~np.isnan(times)]),
    )


def lives(method: str, chain: Sequence[Placed]) -> list[tuple[int, bool]]:
    """How many cycles of an arm each machine lived through, and whether the last of them failed."""
    found, count = [], 0
    for _, cycle in chain:
        if cycle.outcome is Outcome.INVALID:
            hit, ends = False, True
        else:
            count += cycle.method == method
            hit, ends = cycle.outcome is Outcome.FAIL and cycle.method == method, cycle.outcome is Outcome.FAIL
        if ends and count:
            found.append((count, hit))
        count = 0 if ends else count
    return [*found, (count, False)] if count else found


def compare_lives(method: str, baseline: str, chain: Sequence[Placed]) -> FirstFailure:
    """Cycles to the first failure of two arms that ran on the same machines."""
    return first_failures(lives(method, chain), lives(baseline, chain))
