"""In which order the cycles of a cell run: blocks of every arm, at random but reproducibly."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence

from msgspec import Struct

from harness.reboot.base import Method


class Slot(Struct, frozen=True):
    """One place of the plan: which method, in which block, in which position of it."""

    cycle: int
    block: int
    order: int
    method: Method


def plan(methods: Sequence[Method], blocks: int, seed: int, cell_id: str) -> Iterator[Slot]:
    """The cycles of a cell in their order; the same seed and cell give the same plan.

    Blocks come in twos, the second the mirror image of the first (ABBA or BAAB, drawn at random), so that a
    drift of the host's speed hits every arm alike.
    """
    # Seeding with text is stable across processes, unlike hash().
    rng = random.Random(f"{seed}/{cell_id}")
    order: list[Method] = []
    cycle = 0
    for block in range(blocks):
        order = rng.sample(list(methods), len(methods)) if block % 2 == 0 else order[::-1]
        for position, method in enumerate(order):
            yield Slot(cycle, block, position, method)
            cycle += 1


def nonce_of(seed: int, cell_id: str, cycle: int) -> str:
    """A word that the guest cannot know before its cycle is armed; the same seed gives the same word."""
    return hashlib.sha256(f"{seed}/{cell_id}/{cycle}".encode()).hexdigest()[:16]
