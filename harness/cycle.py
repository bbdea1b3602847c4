"""One cycle: arm the method, trigger the reboot, watch every channel, check the devices, judge."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, structs

from harness.classify.classifier import Judgement, classify
from harness.classify.milestones import Progress
from harness.clock import Deadline
from harness.devices.base import DeviceSet, parse_findings
from harness.errors import GuestGone, MachineError
from harness.model import (
    Cell,
    DeviceFinding,
    EndReason,
    Event,
    Evidence,
    Expectation,
    Milestone,
    ProcessExit,
)
from harness.qemu.machine import Machine
from harness.qemu.process import ThreadTime
from harness.reboot.base import Method

#: after text that decides a cycle, how long to go on reading what belongs to it (a panic's trace)
LINGER_S = 0.5
#: what is still on its way when the guest has said that it is ready
TRAILING_S = 0.05
DEVICE_CHECK_TIMEOUT_S = 180.0


class Stage(Struct, frozen=True):
    """A stretch of a reboot with a time limit of its own, in seconds."""

    name: str
    #: before anything is known of this cell; long enough for emulation on a busy host
    first_s: float
    #: never less than this, however fast the cell has been; above systemd's own 90 s for a job
    floor_s: float


_SHUTDOWN = Stage("shutdown", 300.0, 120.0)
_HANDOFF = Stage("hand-off", 120.0, 30.0)
_KERNEL = Stage("kernel", 180.0, 60.0)
_INITRD = Stage("initrd", 240.0, 120.0)
_USERSPACE = Stage("userspace", 420.0, 150.0)

#: the stage that follows each milestone
STAGES: dict[Milestone | None, Stage] = {
    None: _HANDOFF,
    Milestone.TRIGGER: _SHUTDOWN,
    Milestone.SHUTDOWN_DONE: _SHUTDOWN,
    Milestone.HANDOFF: _HANDOFF,
    Milestone.FIRMWARE: _HANDOFF,
    Milestone.LOADER: _HANDOFF,
    Milestone.KERNEL: _KERNEL,
    Milestone.INIT: _INITRD,
    Milestone.SYSTEMD: _USERSPACE,
}
#: a stage may take this many times the longest that this cell ever took for it
PATIENCE = 5.0


class Deadlines:
    """How long each stage may take, learnt from what the cell has been doing."""

    def __init__(self) -> None:
        self._longest: dict[str, float] = {}

    def limit(self, milestone: Milestone | None) -> float:
        """Seconds that may pass after `milestone` before the next one."""
        stage = STAGES[milestone]
        longest = self._longest.get(stage.name)
        if longest is None:
            return stage.first_s
        return max(stage.floor_s, PATIENCE * longest)

    def learn(self, milestones: dict[Milestone, float]) -> None:
        """Take the milestones of a boot that came up (seconds, in any origin) into account."""
        passed = sorted(milestones.items(), key=lambda item: item[1])
        for (milestone, start), (_, end) in itertools.pairwise(passed):
            if milestone in STAGES:
                stage = STAGES[milestone].name
                self._longest[stage] = max(self._longest.get(stage, 0.0), end - start)


class Watched(Struct, frozen=True):
    """What watching a boot gave."""

    events: tuple[Event, ...]
    ended_by: EndReason
    progress: Progress
    #: the limit that ended it, if a deadline did
    limit_s: float | None


def watch(machine: Machine, progress: Progress, deadlines: Deadlines, ends: Sequence[ProcessExit] = ()) -> Watched:
    """Read events until the guest is ready, text or an exit decides, or a stage takes too long.

    `ends`: an end of QEMU that somebody else has already taken from the machine.
    """
    events: list[Event] = []
    started = machine.clock.monotonic()

    def take(event: Event | None) -> None:
        if event is not None:
            events.append(event)
            progress.feed(event)

    for end in ends:
        take(end)
        return Watched(tuple(events), EndReason.EXIT, progress, None)
    while True:
        limit = deadlines.limit(progress.last)
        since = progress.last_at if progress.last_at is not None else started
        event = machine.next_event(Deadline(machine.clock, since + limit))
        take(event)
        # A guest that floods its channels keeps the queue full: the time of what is read counts, too.
        reason = _end_of(progress, given_up=event is None or event.t > since + limit)
        if reason is not None:
            linger = LINGER_S if reason is EndReason.FATAL else TRAILING_S
            rest = Deadline.after(machine.clock, linger)
            while reason in {EndReason.READY, EndReason.FATAL} and (late := machine.next_event(rest)) is not None:
                take(late)
                if late.t > rest.at:
                    break
            return Watched(tuple(events), reason, progress, limit if reason is EndReason.DEADLINE else None)


def _end_of(progress: Progress, *, given_up: bool) -> EndReason | None:
    if progress.exit is not None:
        return EndReason.EXIT
    if progress.ready is not None:
        return EndReason.READY
    if progress.fatal is not None or progress.refused is not None:
        return EndReason.FATAL
    return EndReason.DEADLINE if given_up else None


class Running(Struct, frozen=True):
    """A system that is up, as it reported itself."""

    boot_id: str
    kernel: str
    ready: dict[str, Any]

    @classmethod
    def from_report(cls, ready: dict[str, Any]) -> Running:
        return cls(str(ready.get("boot_id")), str(ready.get("kernel_release")), ready)


class CycleResult(Struct, frozen=True):
    """A judged cycle: its evidence, the judgement, and the system that runs now (None if none came up)."""

    evidence: Evidence
    judgement: Judgement
    running: Running | None
    #: every event since the cycle was armed, for the store
    events: tuple[Event, ...]


def run_cycle(
    machine: Machine,
    cell: Cell,
    method: Method,
    device_set: DeviceSet,
    *,
    nonce: str,
    before: Running,
    deadlines: Deadlines,
    kernel_expected: str | None = None,
) -> CycleResult:
    """Carry out one reboot and judge it. `kernel_expected` is the release that must run then; None: the same again.

    Raises MachineError if the guest cannot be armed: then the reboot was never asked for, and the cycle says
    nothing of it.
    """
    expectation = _expect(cell, method, nonce, before, kernel_expected or before.kernel)
    preparation = drain(machine)
    try:
        _prepare(machine, method, device_set, nonce)
    except GuestGone:
        # QEMU died under the cycle's hands: a failure like any other time it dies.
        watched = watch(machine, Progress(before.boot_id), deadlines, _ends(preparation))
        return _judge(expectation, watched, preparation)
    preparation += drain(machine)
    ends = _ends(preparation)
    start = machine.vcpu_time()
    # If QEMU is gone, its end is an event, and watching finds it.
    with contextlib.suppress(GuestGone):
        machine.send(method.trigger, purpose="trigger")
    watched = watch(machine, Progress(before.boot_id), deadlines, ends)
    used = _used(start, machine.vcpu_time())
    findings: tuple[DeviceFinding, ...] = ()
    if watched.progress.ready is not None and watched.progress.exit is None:
        findings = check_devices(machine, device_set, nonce)
        watched = structs.replace(watched, events=(*watched.events, *drain(machine)))
    return _judge(expectation, watched, preparation, findings=findings, used=used)


def _judge(
    expectation: Expectation,
    watched: Watched,
    preparation: list[Event],
    *,
    findings: tuple[DeviceFinding, ...] = (),
    used: ThreadTime | None = None,
) -> CycleResult:
    evidence = Evidence(
        expectation=expectation,
        events=watched.events,
        ended_by=watched.ended_by,
        deadline_s=watched.limit_s,
        findings=findings,
        vcpu_s=used.on_cpu_s if used else None,
        vcpu_wait_s=used.waiting_s if used else None,
    )
    ready = watched.progress.ready
    running = Running.from_report(ready) if ready else None
    return CycleResult(evidence, classify(evidence), running, (*preparation, *watched.events))


def _prepare(machine: Machine, method: Method, device_set: DeviceSet, nonce: str) -> None:
    for purpose, script in (("device-before", device_set.before(nonce)), ("arm", method.arm(nonce))):
        reply = machine.run(script, purpose=purpose)
        if reply.status != 0:
            raise MachineError(f"the guest could not be prepared ({purpose}): {reply.output.strip()[:400]}")


def drain(machine: Machine) -> list[Event]:
    """The events that have arrived already."""
    events = []
    now = Deadline.after(machine.clock, 0.0)
    while (event := machine.next_event(now)) is not None:
        events.append(event)
        if event.t > now.at:
            break
    return events


def _ends(events: Sequence[Event]) -> list[ProcessExit]:
    return [event for event in events if isinstance(event, ProcessExit)]


def check_devices(machine: Machine, device_set: DeviceSet, nonce: str) -> tuple[DeviceFinding, ...]:
    """Let the guest show that its devices work; a guest that does not answer has not shown it."""
    try:
        reply = machine.run(device_set.after(nonce), purpose="device-after", timeout=DEVICE_CHECK_TIMEOUT_S)
    except MachineError as error:
        return (DeviceFinding("answer", ok=False, detail=str(error)),)
    findings = parse_findings(reply.output)
    if findings and reply.status != 0:
        cut_short = DeviceFinding("answer", ok=False, detail=f"the check was cut short, with status {reply.status}")
        return (*findings, cut_short)
    if not findings:
        said = reply.output.strip()[:200] or "(nothing)"
        return (DeviceFinding("answer", ok=False, detail=f"the check ended with status {reply.status}: {said}"),)
    return findings


def _expect(cell: Cell, method: Method, nonce: str, before: Running, kernel_expected: str) -> Expectation:
    return Expectation(
        method=method.name,
        path=method.path,
        arch=cell.arch,
        firmware=cell.firmware,
        loader=cell.loader,
        nonce=nonce,
        boot_id_before=before.boot_id,
        kernel_before=before.kernel,
        kernel_expected=kernel_expected,
    )


def _used(start: ThreadTime | None, end: ThreadTime | None) -> ThreadTime | None:
    return end.since(start) if start and end else None
