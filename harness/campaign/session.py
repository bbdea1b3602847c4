"""One run: its folder, its description, and the campaigns of its cells."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Callable
from pathlib import Path

from msgspec import structs

from harness.artefacts.case import MIB, Rerun, Wanted
from harness.artefacts.collect import Collector
from harness.artefacts.symbols import SymbolStore
from harness.campaign.records import Identity
from harness.campaign.runner import CellCampaign
from harness.campaign.spoiling import Spoiler
from harness.campaign.stopping import StopSettings
from harness.clock import Clock
from harness.config import Settings
from harness.config.table import PROJECT
from harness.errors import Unsupported
from harness.faults.machine import adapt
from harness.lab import Lab, all_faults, device_set_of, methods
from harness.model import Accel, BootPath, Cell, CycleEnd, RunInfo, is_disk_file, is_kernel_file
from harness.reboot.base import Method
from harness.registry import lookup
from harness.store import RECORDS, RUN_FILE, CellStore, create_run, read_records, read_run_info, update_run


class RunSession:
    """Runs cells into one run's folder. Several processes may share a run; each cell has one of them."""

    def __init__(self, settings: Settings, run_id: str, clock: Clock, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.run_dir = settings.results / run_id
        self.lab = Lab(settings, clock, say)
        self._clock = clock
        #: comparisons of the whole campaign, which share one error of calling an arm worse for nothing
        self.gates = 1
        self._say = say

    @property
    def started(self) -> bool:
        """Whether anything has been recorded yet."""
        return (self.run_dir / RUN_FILE).exists()

    def run_cell(self, cell: Cell) -> list[CycleEnd]:
        """Run a cell's campaign and give its finished cycles.

        Raises ConfigError or InfraError before anything runs, MachineError when no machine comes up any more,
        StoreError when the results cannot be written. A cell that this QEMU or the guest's kernel cannot do is noted
        in run.json as skipped, and raises Unsupported.
        """
        try:
            if (reason := self.lab.why_unsupported(cell)) is not None:
                raise Unsupported(reason)
            self._run_campaign(cell)
        except Unsupported as error:
            self._skip(cell, str(error))
            raise
        return finished(self.run_dir, cell)

    def _run_campaign(self, cell: Cell) -> None:
        accel, image = self.lab.accel, self.lab.image_of(cell)
        arms = [self._method(name, image.recipe.init) for name in self.settings.methods]
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
                arms,
                device_set_of(cell),
                identity=Identity(run.run_id, accel.accel, self.lab.qemu.version),
                seed=settings.seed,
                blocks=settings.blocks,
                chain=self._chain(settings, cell),
                stop=StopSettings(
                    stop=settings.stop,
                    margin=settings.margin,
                    max_failure_rate=settings.max_failure_rate,
                    gates=self.gates,
                ),
                spoiler=self._spoiler(cell, settings),
                kernels=self.lab.kernels(cell),
                make_machine=lambda: self.lab.make_machine(cell, adapt=adapt if settings.fault else None),
                store=store,
                artefacts=self.collector(cell),
                say=self._say,
                leave_out=lambda reasons: self._skip_arms(cell, reasons),
            ).run()

    def _skip(self, cell: Cell, reason: str) -> None:
        """Note a cell that has no cycles, and never will have any here."""
        self._say(f"skipped: {cell.cell_id}: {reason}")
        run = self._describe()
        create_run(self.settings.results, run.run_id)
        update_run(
            self.run_dir,
            run,
            lambda known: structs.replace(
                known,
                cells=tuple(other for other in known.cells if other != cell),
                skipped={**known.skipped, cell.cell_id: reason},
            ),
        )

    def _skip_arms(self, cell: Cell, reasons: dict[str, str]) -> None:
        """Note methods that the cell's system cannot do; the cell runs without them."""
        for name, reason in reasons.items():
            self._say(f"skipped: {cell.cell_id}, {name}: {reason}")
        update_run(
            self.run_dir,
            None,
            lambda known: structs.replace(known, skipped_arms={**known.skipped_arms, cell.cell_id: reasons}),
        )

    def skipped_arms(self, cell: Cell) -> dict[str, str]:
        """Method -> why it could not run in this cell, as recorded so far. Raises StoreError."""
        return read_run_info(self.run_dir).skipped_arms.get(cell.cell_id, {}) if self.started else {}

    def _method(self, name: str, init: str) -> Method:
        method = lookup(methods(), name, "method")
        if method.init not in {None, init}:
            raise self.settings.error("methods", f"{name} needs {method.init}, and the image has {init}")
        return method

    def _chain(self, settings: Settings, cell: Cell) -> int:
        arms = [lookup(methods(), name, "method") for name in settings.methods]
        if settings.chain > 1 and all(arm.path is not BootPath.FIRMWARE for arm in arms):
            mend = "name one in METHODS, such as kexec,cold"
            raise settings.error("chain", "a chain of kexecs ends with a method that goes through firmware", mend=mend)
        kernels = self.lab.kernels(cell)
        if settings.chain > 1 and kernels is not None and kernels.outgoing != kernels.incoming:
            problem = "from one kernel to another is one kexec: a cold reboot leads back before the next"
            raise settings.error("chain", problem)
        return settings.chain

    def _spoiler(self, cell: Cell, settings: Settings) -> Spoiler | None:
        if settings.fault is None:
            return None
        fault = lookup(all_faults(), settings.fault, "fault")
        if fault.method not in settings.methods:
            raise settings.error("fault", f"{fault.name} strikes reboots by {fault.method}, and none is run")
        if fault.images and cell.image not in fault.images:
            raise settings.error("fault", f"{fault.name} cannot be injected into {cell.image}")
        return Spoiler(fault, settings.fault_rate, seed=settings.seed, cell_id=cell.cell_id)

    def collector(self, cell: Cell) -> Collector:
        """Who takes the artefacts of this cell's failures. Raises ConfigError or InfraError."""
        settings, image = self.settings.for_cell(cell), self.lab.image_of(cell)
        return Collector(
            self.run_dir,
            Wanted(
                disk=bool(settings.keep_disk),
                memory=bool(settings.keep_memory),
                limit_bytes=settings.artefacts_mib * MIB,
            ),
            self._say,
            rerun=Rerun(
                settings=rerun_settings(settings, cell, self.lab.accel.accel),
                project=PROJECT,
                qemu_version=self.lab.qemu.version,
                image=_anywhere(cell.image, is_file=is_disk_file(cell.image)),
                sha256=self.lab.image(cell.image).sha256,
                disk=image.disk,
                root_bytes=image.root_bytes,
            ),
            symbols=SymbolStore(settings.cache_dir, image.sha256),
        )

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
            gates=self.gates,
            settings=self.settings.records(),
        )


def finished(run_dir: Path, cell: Cell) -> list[CycleEnd]:
    """The cell's finished cycles so far, in order; none if it has not started. Raises StoreError."""
    path = run_dir / "cells" / cell.cell_id / RECORDS
    return [record for record in read_records(path) if isinstance(record, CycleEnd)] if path.exists() else []


def rerun_settings(settings: Settings, cell: Cell, accel: Accel) -> dict[str, str]:
    """What makes make run this cell alone, with everything that decides its cycles; BLOCKS is left to the caller."""
    named = {
        "IMAGE": _anywhere(cell.image, is_file=is_disk_file(cell.image)),
        "DEVICE": cell.device_set,
        "FIRMWARE": cell.firmware.value,
        "LOADER": cell.loader.value,
        "KERNEL": _anywhere(cell.kernel, is_file=is_kernel_file(cell.kernel)),
        "MACHINE": cell.machine,
        "METHODS": ",".join(settings.methods),
        "SEED": str(settings.seed),
        "CHAIN": str(settings.chain),
        "ACCEL": accel.value,
        "MEMORY": str(settings.memory),
        "SMP": str(settings.smp),
        "SCREEN": str(settings.screen),
        "MATRIX": str(settings.matrix),
        "IMAGES_DIR": str(settings.images_dir),
        "CACHE_DIR": str(settings.cache_dir),
    }
    if settings.device_args:
        named["DEVICE_ARGS"] = settings.device_args
    if settings.fault:
        named |= {"FAULT": settings.fault, "FAULT_RATE": str(settings.fault_rate)}
    if is_kernel_file(cell.kernel):
        named |= {"MODULES": str(settings.modules or ""), "INITRD": str(settings.initrd or "")}
    return {**named, "QEMU": settings.qemu} if settings.qemu else named


def _anywhere(name: str, *, is_file: bool) -> str:
    """A name that is good wherever make is called."""
    return str(Path(name).expanduser().resolve()) if is_file else name


def host_facts() -> dict[str, object]:
    """What run.json keeps of the host; runs on hosts with the same CPUs and machine take about the same time."""
    return {
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
    }
