"""The records of a campaign, built from what its cycles gave; and one line about each for people."""

from __future__ import annotations

import datetime
from typing import Any

from msgspec import Struct, structs

from harness.classify.classifier import visible
from harness.cycle import CycleResult, Watched
from harness.model import (
    SETUP,
    Accel,
    BootPath,
    Cell,
    CycleEnd,
    CycleStart,
    FailureClass,
    Outcome,
)


class Identity(Struct, frozen=True):
    """What every record of a run carries."""

    run_id: str
    accel: Accel
    qemu_version: str


class Recorder(Struct, frozen=True):
    """Builds the records of one cell."""

    cell: Cell
    identity: Identity

    def start(
        self,
        *,
        cycle: int,
        block: int,
        order: int,
        method: str,
        nonce: str,
        at: datetime.datetime,
        fault: str | None = None,
    ) -> CycleStart:
        """The record that stands before anything happens; `fault` is injected on purpose."""
        return CycleStart(
            cell_id=self.cell.cell_id,
            cycle=cycle,
            block=block,
            order=order,
            method=method,
            nonce=nonce,
            started_at=at.isoformat(),
            fault=fault,
        )

    def judged(self, start: CycleStart, result: CycleResult, *, depth_before: int | None, console: str) -> CycleEnd:
        """The end of a cycle that was carried out."""
        judgement, evidence = result.judgement, result.evidence
        verdict = judgement.verdict
        return self._end(
            start,
            **_verdict_of(result),
            phases=judgement.phases,
            milestones=judgement.milestones,
            kernel_before=evidence.expectation.kernel_before,
            kernel_after=judgement.kernel_after,
            chain_depth=_depth(verdict.path, depth_before),
            vcpu_s=evidence.vcpu_s,
            mem_available_kib=_kib(result.running.ready.get("mem_available_kib")) if result.running else None,
            vcpu_wait_s=evidence.vcpu_wait_s,
            console=console,
        )

    def taken_back(self, end: CycleEnd, result: CycleResult, *, console: str) -> CycleEnd:
        """The second end of a cycle that had passed, as it is judged now."""
        return structs.replace(end, **_verdict_of(result), console=console)

    def not_armed(self, start: CycleStart, problem: str, *, console: str) -> CycleEnd:
        """The end of a cycle whose reboot was never asked for: it says nothing of the reboot."""
        return self._invalid(start, rule="not-armed", reason=problem, console=console)

    def failed_setup(self, start: CycleStart, watched: Watched, *, console: str) -> CycleEnd:
        """The record of a machine that did not come up before any reboot was asked for."""
        progress = watched.progress
        if progress.exit is not None:
            how = f"QEMU ended with status {progress.exit.status}: {progress.exit.stderr}"
        elif progress.ending is not None:
            how = progress.ending.rule.reason.format(line=progress.ending.line.text)
        else:
            how = f"no ready report; the last milestone was {progress.last.value if progress.last else 'none'}"
            if watched.given_up is not None:
                how += f" {watched.given_up.after_s:.0f} s before; {watched.given_up.note}"
        reason = f"the set-up boot did not come up: {how}"
        return self._invalid(start, rule=SETUP, reason=reason, console=console, last_milestone=progress.last)

    def _invalid(self, start: CycleStart, *, reason: str, **values: Any) -> CycleEnd:
        return self._end(
            start,
            reason=visible(reason),  # what a tool or a guest said may be in it
            outcome=Outcome.INVALID,
            failure_class=FailureClass.INFRASTRUCTURE,
            path=BootPath.NONE,
            **values,
        )

    def _end(self, start: CycleStart, **values: Any) -> CycleEnd:
        cell, identity = self.cell, self.identity
        return CycleEnd(
            run_id=identity.run_id,
            cell_id=cell.cell_id,
            image=cell.image,
            device_set=cell.device_set,
            firmware=cell.firmware,
            loader=cell.loader,
            machine=cell.machine,
            arch=cell.arch,
            accel=identity.accel,
            qemu_version=identity.qemu_version,
            fault=start.fault,
            method=start.method,
            block=start.block,
            order=start.order,
            cycle=start.cycle,
            started_at=start.started_at,
            **values,
        )


def _verdict_of(result: CycleResult) -> dict[str, Any]:
    """The fields of a finished cycle that say how it was judged, and by what."""
    return {**structs.asdict(result.judgement.verdict), "findings": result.evidence.findings}


def _depth(path: BootPath, before: int | None) -> int | None:
    """How many kexecs lie between the system that is up and the last firmware boot."""
    if path is BootPath.FIRMWARE:
        return 0
    if before is None or path not in {BootPath.KEXEC, BootPath.SOFT}:
        return None
    return before + (path is BootPath.KEXEC)


def _kib(said: object) -> int | None:
    """A guest's own word for an amount of memory, if it can be one."""
    return said if isinstance(said, int) and not isinstance(said, bool) and 0 <= said < 1 << 40 else None


def describe(end: CycleEnd, planned: int | None) -> str:
    """One line about a finished cycle; `planned` is how many the cell will have, None if nobody knows."""
    number = f"{end.cycle + 1}/{planned}" if planned is not None else f"{end.cycle + 1}"
    place = f"{end.cell_id} {number} {end.method}"
    if end.outcome is Outcome.PASS:
        times = end.phases
        parts = (("total", times.total_s), ("shutdown", times.shutdown_s), ("hand-off", times.handoff_s))
        timing = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in parts if seconds is not None)
        return f"{place}: pass, {timing}"
    failure = end.failure_class.value if end.failure_class else ""
    return f"{place}: {end.outcome.value.upper()} {failure}: {end.reason}"
