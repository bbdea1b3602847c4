"""In which order the cycles of a cell run: blocks of every arm, at random but reproducibly."""

from __future__ import annotations

import hashlib
import itertools
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


def plan(methods: Sequence[Method], blocks: int, seed: int, cell_id: str, *, chain: int = 1) -> Iterator[Slot]:
    """The cycles of a cell in their order; the same seed and cell give the same plan.

    Blocks come in twos, the second the mirror image of the first (ABBA or BAAB, drawn at random), so that a
    drift of the host's speed hits every arm alike. With a `chain` of n, every arm has n cycles in a row (AAABBB, of n
    blocks), and always the same one comes first, so that no chain runs into the next one of its own arm; then drift
    is met within n blocks only.
    """
    # Seeding with text is stable across processes, unlike hash().
    rng = random.Random(f"{seed}/{cell_id}")
    numbers = itertools.count()
    order: list[Method] = []
    for first in range(0, blocks, chain):
        mirrored = chain == 1 and first % 2 == 1
        if mirrored:
            order.reverse()
        elif chain == 1 or first == 0:
            order = rng.sample(list(methods), len(methods))
        for position, method in enumerate(order):
            for block in range(first, min(first + chain, blocks)):
                yield Slot(next(numbers), block, position, method)


def nonce_of(seed: int, cell_id: str, cycle: int) -> str:
    """A word that the guest cannot know before its cycle is armed; the same seed gives the same word."""
    return hashlib.sha256(f"{seed}/{cell_id}/{cycle}".encode()).hexdigest()[:16]
