"""The cells of a run as the jobs of a CI system: one entry per shard, within the system's limits.

GitHub: a matrix makes at most 256 jobs, and a job's outputs hold at most 1 MB, counted in UTF-16
(docs.github.com/en/actions/reference/limits, .../passing-information-between-jobs). GitLab: `parallel:matrix` makes
at most 200 jobs (docs.gitlab.com/ci/yaml/#parallelmatrix).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from harness.config.shards import Shard, assign

#: system -> most jobs that one matrix makes
MAX_JOBS = {"github": 256, "gitlab": 200}
#: bytes in UTF-16 of all that a job on GitHub hands on
MAX_OUTPUT = 1_000_000
#: hours after which GitHub's own runners stop a job
MAX_HOURS = {"github": 6.0}
#: longest name of a job here
MAX_NAME = 100


class Job(Struct, frozen=True, kw_only=True):
    """One shard: how many cells, and the hours that they take on the host that made the list."""

    shard: Shard
    name: str
    cells: int
    hours: float


def jobs(costs: dict[str, float], seconds: dict[str, float], most: int) -> list[Job]:
    """One job per cell, or as many as there may be. `costs` make the shards, `seconds` the hours; by cell id."""
    number = min(len(costs), most)
    shards = assign(costs, number)
    found = []
    for place in range(1, number + 1):
        mine = [cell_id for cell_id in costs if shards[cell_id] == place]
        shard = Shard(place, number)
        found.append(
            Job(
                shard=shard,
                name=mine[0][:MAX_NAME] if len(mine) == 1 else f"{len(mine)} cells",
                cells=len(mine),
                hours=round(sum(seconds[cell_id] for cell_id in mine) / 3600, 2),
            )
        )
    return found


def github(found: Sequence[Job]) -> dict[str, Any]:
    """For `strategy: matrix: ${{ fromJSON(...) }}`."""
    return {
        "include": [
            {"shard": str(job.shard), "name": job.name, "cells": job.cells, "hours": job.hours} for job in found
        ]
    }


def gitlab(found: Sequence[Job]) -> dict[str, Any]:
    """What a job has that is to run once per shard. GitLab shows the variables in the names of its jobs."""
    return {"parallel": {"matrix": [{"SHARD": str(job.shard), "CELLS": job.name} for job in found]}}


FORMATS = {"github": github, "gitlab": gitlab}


def utf16_bytes(thing: object) -> int:
    """How much of GitHub's room for outputs this takes as JSON."""
    return len(msgspec.json.encode(thing).decode().encode("utf-16-le"))
