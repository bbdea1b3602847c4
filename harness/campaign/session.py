"""One run: its folder, its description, and the campaigns of its cells."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Callable
from pathlib import Path

from msgspec import structs

from harness.campaign.records import Identity
from harness.campaign.runner import CellCampaign
from harness.clock import Clock
from harness.config import Settings
from harness.lab import Lab, device_sets, methods
from harness.model import Cell, CycleEnd, RunInfo
from harness.registry import lookup
from harness.store import RECORDS, RUN_FILE, CellStore, create_run, read_records, update_run


class RunSession:
    """Runs cells into one run's folder. Several processes may share a run; each cell has one of them."""

    def __init__(self, settings: Settings, run_id: str, clock: Clock, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.run_dir = settings.results / run_id
        self.lab = Lab(settings, clock, say)
        self._clock = clock
        self._say = say

    @property
    def started(self) -> bool:
        """Whether anything has been recorded yet."""
        return (self.run_dir / RUN_FILE).exists()

    def run_cell(self, cell: Cell) -> list[CycleEnd]:
        """Run a cell's campaign and give its finished cycles.

        Raises ConfigError or InfraError before anything runs, MachineError when no machine comes up any more,
        StoreError when the results cannot be written.
        """
        accel, image = self.lab.accel, self.lab.image(cell.image)
        run = self._describe()
        create_run(self.settings.results, run.run_id)
        settings = self.settings.for_cell(cell)
        own = settings.records_beside(self.settings)
        argv = tuple(self.lab.command_line(cell))
        update_run(
            self.run_dir,
            run,
            lambda known: structs.replace(
                known,
                cells=(*known.cells, cell),
                images={**known.images, cell.image: image.sha256},
                argv={**known.argv, cell.cell_id: argv},
                cell_settings={**known.cell_settings, cell.cell_id: own} if own else known.cell_settings,
            ),
        )
        with CellStore(self.run_dir, cell.cell_id) as store:
            CellCampaign(
                cell,
                [lookup(methods(), name, "method") for name in settings.methods],
                lookup(device_sets(), cell.device_set, "device set"),
                identity=Identity(run.run_id, accel.accel, self.lab.qemu.version),
                seed=settings.seed,
                blocks=settings.blocks,
                make_machine=lambda: self.lab.make_machine(cell),
                store=store,
                say=self._say,
            ).run()
        return finished(self.run_dir, cell)

    def close(self, exit_status: int) -> None:
        """Note in run.json when and how the run ended. Does nothing if nothing was recorded."""
        if not self.started:
            return
        ended = self._clock.wall().isoformat()
        update_run(self.run_dir, None, lambda known: structs.replace(known, ended_at=ended, exit_status=exit_status))

    def _describe(self) -> RunInfo:
        accel = self.lab.accel
        return RunInfo(
            run_id=self.run_dir.name,
            harness_version=importlib.metadata.version("kexec-harness"),
            started_at=self._clock.wall().isoformat(),
            seed=self.settings.seed,
            accel=accel.accel,
            accel_reason=accel.reason,
            qemu_version=self.lab.qemu.version,
            host=host_facts(),
            settings=self.settings.records(),
        )


def finished(run_dir: Path, cell: Cell) -> list[CycleEnd]:
    """The cell's finished cycles so far, in order; none if it has not started. Raises StoreError."""
    path = run_dir / "cells" / cell.cell_id / RECORDS
    return [record for record in read_records(path) if isinstance(record, CycleEnd)] if path.exists() else []


def host_facts() -> dict[str, object]:
    """What run.json keeps of the host; runs on hosts with the same CPUs and machine take about the same time."""
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
    }
