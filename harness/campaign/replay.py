"""Recorded runs, run again without QEMU: the same campaign on machines that play their events back.

Any run's folder is a recording. What comes out must be what was recorded, which is how a change to the
classifier is held against real reboots.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.artefacts.case import Wanted
from harness.artefacts.collect import Collector
from harness.campaign.records import Identity
from harness.campaign.runner import CellCampaign
from harness.campaign.stopping import StopSettings
from harness.clock import ManualClock
from harness.errors import StoreError
from harness.lab import device_set_of, methods
from harness.model import SETUP, Cell, CycleEnd, Event, RunInfo
from harness.qemu.replay import ReplayMachine
from harness.registry import lookup
from harness.store import RECORDS, CellStore, read_events, read_records, read_run_info


def recorded_machines(cell_dir: Path) -> list[list[Event]]:
    """The events of each machine that the cell used, from its power-on to its end.

    Raises StoreError for a folder without a recorded set-up boot.
    """
    files = [(read_events(path), path.name) for path in sorted((cell_dir / "events").glob("*.jsonl.gz"))]
    machines: list[list[Event]] = []
    for events, name in sorted((file for file in files if file[0]), key=lambda file: file[0][0].t):
        if name.startswith(SETUP):
            machines.append([])
        if not machines:
            raise StoreError(f"{cell_dir / 'events' / name}: no set-up boot was recorded before this cycle")
        machines[-1] += events
    if not machines:
        raise StoreError(f"{cell_dir}: no events were recorded")
    return machines


def replay_cell(recording: Path, cell: Cell, run_dir: Path) -> list[CycleEnd]:
    """Run a recorded cell again into `run_dir` and give its finished cycles. Raises StoreError."""
    run = read_run_info(recording)
    clock = ManualClock()
    machines = iter(recorded_machines(recording / "cells" / cell.cell_id))
    with CellStore(run_dir, cell.cell_id) as store:
        CellCampaign(
            cell,
            [lookup(methods(), str(name), "method") for name in run.values["methods"]],
            device_set_of(cell),
            identity=Identity(run.run_id, run.accel, run.qemu_version),
            seed=run.seed,
            blocks=int(run.values["blocks"]),
            chain=int(run.values.get("chain", 1)),
            stop=_stop(run),
            make_machine=lambda: _next_machine(machines, clock, run),
            store=store,
            artefacts=Collector(run_dir, Wanted(), lambda _: None),
            say=lambda _: None,
        ).run()
        path = store.folder / RECORDS
    return [record for record in read_records(path) if isinstance(record, CycleEnd)]


def _stop(run: RunInfo) -> StopSettings:
    """The recorded run's own rule; older records do not have all of it."""
    values = run.values
    return StopSettings(
        stop=str(values.get("stop", "fixed")),
        margin=float(values["margin"]),
        max_failure_rate=values.get("max_failure_rate"),
        gates=run.gates,
    )


def _next_machine(machines: Iterator[list[Event]], clock: ManualClock, run: RunInfo) -> ReplayMachine:
    events = next(machines, None)
    if events is None:
        raise StoreError(f"the recording of run {run.run_id} has no further machine")
    clock.advance_to(events[0].t)
    return ReplayMachine(events, clock)
