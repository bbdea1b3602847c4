"""Heartbeats: while the guest is silent, what it is doing, asked of the host and of QEMU without stopping the guest.

Once a second the vCPU threads' times are read from /proc; once the guest has been silent for `SILENCE_S`, QEMU is asked
for its run state, the disks' counters and the registers (about 1 ms of its main loop's time, none of the guest's under
TCG). A guest that talks is left alone, and only noted when the host holds it up.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from harness.clock import Clock
from harness.errors import GuestGone, MachineError
from harness.model import Heartbeat, Vcpu
from harness.qemu.process import QemuProcess

TICK_S = 1.0
SILENCE_S = 2.0
#: while the guest talks: a heartbeat when a vCPU waited so long for the host since the last one
HELD_UP_S = 3.0
#: silence in seconds -> seconds between heartbeats: dense where a dead guest is to be told, bounded for a long silence
INTERVALS = ((20.0, 1.0), (60.0, 2.0), (float("inf"), 5.0))

# One block for each vCPU; `HLT` and the interrupt flag (0x200 of EFLAGS) are x86's.
_CPU = re.compile(r"^CPU#\d+", re.MULTILINE)
_IP = re.compile(r"\b(?:[RE]IP|PC)=([0-9a-fA-F]{8,16})\b")
_FLAGS = re.compile(r"\b[RE]FL=([0-9a-fA-F]{8})\b")
_HALTED = re.compile(r"\bHLT=([01])\b")
#: bits of EFLAGS that are always 0 (Intel SDM volume 1, 3.4.3: 3, 5, 15 and from 22 on)
IMPOSSIBLE_FLAGS = 0xFFC0_8028

Execute = Callable[[str, dict[str, Any] | None], Awaitable[Any]]


class HeartbeatSampler:
    """Samples one machine for as long as `run` runs, in the watcher's event loop; it never waits for the channels."""

    def __init__(
        self, clock: Clock, execute: Execute, last_sign: Callable[[], float], put: Callable[[Heartbeat], None]
    ) -> None:
        """`execute` runs a QMP command; `last_sign` is when the guest's last byte arrived; `put` takes a heartbeat."""
        self._clock, self._execute, self._last_sign, self._put = clock, execute, last_sign, put
        self._asking: asyncio.Task[tuple[str, int, list[Vcpu]]] | None = None
        self._asked_at = 0.0
        self._last_at = float("-inf")
        self._last_waiting: list[float] = []

    async def run(self, process: QemuProcess, threads: list[int], ended: asyncio.Event) -> None:
        """Sample until `ended` is set. The vCPUs' host threads are `threads`."""
        try:
            while not ended.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), TICK_S)
                if not ended.is_set():
                    await self._tick(process, threads)
        finally:
            if self._asking is not None:
                self._asking.cancel()

    async def _tick(self, process: QemuProcess, threads: list[int]) -> None:
        now = self._clock.monotonic()
        silent = now - self._last_sign()
        times = [process.thread_time([thread]) for thread in threads]
        vcpus = [Vcpu(time.on_cpu_s, time.waiting_s) if time else Vcpu() for time in times]
        if silent < SILENCE_S:
            if self._held_up(vcpus):
                self._beat(Heartbeat(now, silent, vcpus=tuple(vcpus)))
            return
        if now - self._last_at < next(every for until, every in INTERVALS if silent < until) - TICK_S / 2:
            return
        self._beat(await self._ask(now, silent, vcpus))

    def _beat(self, beat: Heartbeat) -> None:
        self._last_at = beat.t
        self._last_waiting = _waiting(list(beat.vcpus))
        self._put(beat)

    def _held_up(self, vcpus: list[Vcpu]) -> bool:
        now = _waiting(vcpus)
        if len(now) != len(self._last_waiting):
            self._last_waiting = now
        return any(after - before >= HELD_UP_S for before, after in zip(self._last_waiting, now, strict=True))

    async def _ask(self, now: float, silent: float, vcpus: list[Vcpu]) -> Heartbeat:
        """A heartbeat with QEMU's answers, if it gives them within a tick; else with how long it has been silent."""
        if self._asking is None:
            self._asked_at = now
            self._asking = asyncio.create_task(self._questions())
            # Nobody waits for the last answer of a machine that is closed.
            self._asking.add_done_callback(lambda asked: asked.cancelled() or asked.exception())
        await asyncio.wait({self._asking}, timeout=TICK_S)
        if not self._asking.done():
            waiting = self._clock.monotonic() - self._asked_at
            return Heartbeat(now, silent, unanswered_s=max(0.0, waiting), vcpus=tuple(vcpus))
        asked, self._asking = self._asking, None
        try:
            runstate, operations, registers = asked.result()
        except GuestGone:
            return Heartbeat(now, silent, vcpus=tuple(vcpus))
        except MachineError:
            # Either QMP's own time limit, or an answer that makes no sense: not heard is not heard.
            return Heartbeat(now, silent, unanswered_s=now - self._asked_at, vcpus=tuple(vcpus))
        seen = [
            Vcpu(time.on_cpu_s, time.waiting_s, cpu.ip, cpu.halted, cpu.interrupts)
            for time, cpu in zip(vcpus, registers or vcpus, strict=False)
        ]
        return Heartbeat(now, silent, runstate, disk_operations=operations, vcpus=tuple(seen))

    async def _questions(self) -> tuple[str, int, list[Vcpu]]:
        status = await self._execute("query-status", None)
        disks = await self._execute("query-blockstats", None)
        registers = await self._execute("human-monitor-command", {"command-line": "info registers -a"})
        return str(status["status"]), operations_of(disks), read_registers(str(registers))


def operations_of(disks: list[dict[str, Any]]) -> int:
    """Reads, writes and flushes of all disks in the answer to query-blockstats."""
    kinds = ("rd_operations", "wr_operations", "flush_operations")
    return sum(int(disk.get("stats", {}).get(kind, 0)) for disk in disks for kind in kinds)


def read_registers(text: str) -> list[Vcpu]:
    """Each vCPU's place and whether it waits, from the monitor's `info registers -a`."""
    return [_read_vcpu(block) for block in _CPU.split(text)[1:]]


def _read_vcpu(block: str) -> Vcpu:
    ip, found, halted = _IP.search(block), _FLAGS.search(block), _HALTED.search(block)
    flags = int(found[1], 16) if found else None
    return Vcpu(
        ip=ip[1].lower() if ip else None,
        halted=halted[1] == "1" if halted else None,
        interrupts=bool(flags & 0x200) if flags is not None else None,
        impossible_flags=f"{flags & IMPOSSIBLE_FLAGS:x}" if flags is not None and flags & IMPOSSIBLE_FLAGS else None,
    )


def _waiting(vcpus: list[Vcpu]) -> list[float]:
    return [vcpu.waiting_s for vcpu in vcpus if vcpu.waiting_s is not None]
