"""Parts of a run for several machines: which cells belong to which.

Every machine works its part out for itself, so nothing of a host is looked at: the same cells and settings give the
same shards everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from msgspec import Struct

#: how far above the average a shard may be filled before a cell looks for the next one
SLACK = 1.15


class Shard(Struct, frozen=True):
    """One part of several: `number` from 1 to `of`."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def assign(costs: Mapping[str, float], shards: int) -> dict[str, int]:
    """Cell id -> number of its shard, from 1. `costs` are seconds, or anything that is proportional to them.

    Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, SODA 2018) over rendezvous hashing
    (Thaler and Ravishankar, 1998): a cell goes to the first shard of its own order of preference that has room, so
    that a further cell moves few others. No shard is left empty while there are cells enough.
    """
    loads = dict.fromkeys(range(1, shards + 1), 0.0)
    room = SLACK * sum(costs.values()) / shards
    found: dict[str, int] = {}
    # The dearest first: what is cheap fills the gaps.
    order = sorted(costs, key=lambda cell_id: (-costs[cell_id], _hash(cell_id, 0)))
    for place, cell_id in enumerate(order):
        empty = [shard for shard, load in loads.items() if not load]
        open_to = empty if len(order) - place <= len(empty) else list(loads)
        preferred = sorted(open_to, key=lambda shard: _hash(cell_id, shard))
        with_room = (shard for shard in preferred if loads[shard] + costs[cell_id] <= room)
        shard = next(with_room, None) or min(preferred, key=lambda shard: loads[shard])
        loads[shard] += costs[cell_id]
        found[cell_id] = shard
    return found


def _hash(cell_id: str, shard: int) -> bytes:
    return hashlib.sha256(f"{shard}/{cell_id}".encode()).digest()
