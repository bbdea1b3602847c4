"""Runs of any size on disk, as a long soak would have left them; for tests and for the benchmark of the analysis."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from msgspec import structs
from report_run import RUN, end, start

from harness.model import Cell, FailureClass, Outcome, Phases
from harness.store import RECORDS, create_run, write_run

PARTS = ("shutdown_s", "handoff_s", "kernel_s", "initrd_s", "userspace_s")
FAILING = {"kexec": 0.004, "cold": 0.003}


def write_large_run(results: Path, cells: int, blocks: int) -> Path:
    """A run of `cells` times `blocks` times two cycles, each of which is two records; its folder."""
    rng, encoder = np.random.default_rng(1), msgspec.json.Encoder()
    planned = [Cell(image=f"image-{number % 10}", device_set=f"set-{number // 10}") for number in range(cells)]
    folder = create_run(results, "large")
    write_run(folder, structs.replace(RUN, run_id="large", cells=tuple(planned)))
    for cell in planned:
        path = folder / "cells" / cell.cell_id
        path.mkdir(parents=True)
        begun, done = (
            structs.replace(make(cell, "kexec", 0), started_at="2026-01-02T03:00:00+00:00") for make in (start, end)
        )
        with (path / RECORDS).open("wb") as file:
            for block in range(blocks):
                for order, method in enumerate(("kexec", "cold") if block % 2 else ("cold", "kexec")):
                    place = {"block": block, "order": order, "cycle": 2 * block + order, "method": method}
                    failed = bool(rng.random() < FAILING[method])
                    times = (8 * rng.lognormal(0, 0.15, len(PARTS))).tolist()
                    finished = structs.replace(
                        done,
                        **place,
                        outcome=Outcome.FAIL if failed else Outcome.PASS,
                        failure_class=FailureClass.KERNEL_PANIC if failed else None,
                        phases=Phases(total_s=sum(times), **dict(zip(PARTS, times, strict=True))),
                        chain_depth=int(method == "kexec"),
                        vcpu_s=0.9 * sum(times),
                        vcpu_wait_s=0.1 * times[0],
                        mem_available_kib=900_000 + int(rng.integers(4096)),
                    )
                    file.write(encoder.encode(structs.replace(begun, **place)) + b"\n")
                    file.write(encoder.encode(finished) + b"\n")
    return folder
