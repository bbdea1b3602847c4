"""One cycle: arm the method, trigger the reboot, watch every channel, check the devices, judge."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct, structs

from harness.classify.classifier import Judgement, classify
from harness.classify.console import Sign
from harness.classify.milestones import Progress, is_held_reset
from harness.clock import Deadline
from harness.deadlines import Deadlines, GivenUp, Vigil
from harness.device_checks import check_devices
from harness.devices.base import DeviceSet
from harness.devices.inventory import Inventory
from harness.errors import GuestGone, MachineError, SystemDied
from harness.model import (
    SETUP,
    AgentMessage,
    BootPath,
    Cell,
    ConsoleData,
    DeviceFinding,
    EndReason,
    Event,
    Evidence,
    Expectation,
    ProcessExit,
    QmpEvent,
)
from harness.model.sizes import console_text
from harness.qemu.machine import Machine
from harness.qemu.process import ThreadTime
from harness.reboot import cold
from harness.reboot.base import Method, choose_kernel
from harness.recording import Recording

#: after text that decides a cycle, how long to go on reading what belongs to it (a panic's trace)
LINGER_S = 0.5
#: what is still on its way when the guest has said that it is ready
TRAILING_S = 0.05
#: how long a panic may take to go on as panics do, before its announcement alone is believed
DOUBT_S = 5.0
#: how long a line may stand unfinished before it is looked at
LOOK_S = 0.1
LINGERS = {EndReason.FATAL: LINGER_S, EndReason.READY: TRAILING_S}


class Watched(Struct, frozen=True):
    """What watching a boot gave."""

    events: tuple[Event, ...]
    ended_by: EndReason
    progress: Progress
    #: the silence that ended it, if a deadline did
    given_up: GivenUp | None

    def with_late(self, late: Sequence[Event]) -> Watched:
        """With events that came afterwards, and belong to the same boot."""
        for event in late:
            self.progress.feed(event)
        return structs.replace(self, events=(*self.events, *late))


def watch(
    machine: Machine,
    progress: Progress,
    deadlines: Deadlines,
    ends: Sequence[ProcessExit] = (),
    at_reset: Callable[[], None] | None = None,
    *,
    path: BootPath = BootPath.FIRMWARE,
) -> Watched:
    """Read events until the guest is ready, text or an exit decides, or a silence has lasted too long.

    `ends`: an end of QEMU that somebody else has already taken from the machine. `at_reset` is called while a machine
    that holds its resets stands before one; then the reset goes on. `path`: the way that the boot is to take, by whose
    times its silence is judged.
    """
    watching = _Watching(machine, progress, at_reset)
    for end in ends:
        watching.take(end)
        return watching.ended(EndReason.EXIT)
    vigil = Vigil(deadlines.limit(None, path), progress.pulse, machine.clock.monotonic())
    while True:
        event = machine.next_event(Deadline(machine.clock, watching.wake_at(vigil)))
        watching.take(event)
        # A guest that floods its channels keeps the queue full: the time of what is read counts, too.
        now = machine.clock.monotonic() if event is None else event.t
        reason = watching.reason(now)
        if reason in LINGERS:
            watching.linger(LINGERS[reason])
            if progress.console.in_doubt:
                watching.linger(DOUBT_S, while_in_doubt=True)
            reason = _end_of(progress)
        if reason is not None:
            return watching.ended(reason)
        vigil = _vigil(vigil, progress, deadlines, path)
        given_up = vigil.given_up(now)
        if given_up is not None:
            return watching.ended(EndReason.DEADLINE, given_up)


def _vigil(vigil: Vigil, progress: Progress, deadlines: Deadlines, path: BootPath) -> Vigil:
    """The wait for the next milestone: the one under way, or a new one if something was passed."""
    # A machine that was reset goes through firmware, whatever it was to do.
    limit = deadlines.limit(progress.last, BootPath.FIRMWARE if progress.resets else path)
    start = progress.last_at if progress.last_at is not None else vigil.start
    return vigil if (vigil.limit, vigil.start) == (limit, start) else Vigil(limit, progress.pulse, start)


class _Watching:
    """What has been seen so far of a boot that is watched."""

    def __init__(self, machine: Machine, progress: Progress, at_reset: Callable[[], None] | None) -> None:
        self._machine, self._progress, self._at_reset = machine, progress, at_reset
        self._recording = Recording()
        self._pinged_for: Sign | None = None
        #: when the unfinished line is looked at next; None: there is nothing new in it
        self._look_at: float | None = None

    def wake_at(self, vigil: Vigil) -> float:
        """When something is to be done, whatever comes."""
        now = self._machine.clock.monotonic()
        wake = vigil.wake_at(now)
        return wake if self._look_at is None else max(now, min(wake, self._look_at))

    def reason(self, now: float) -> EndReason | None:
        """Why watching ends, if it does. A flood is not held up by a look at each piece of a line."""
        look = self._look_at is not None and now >= self._look_at
        if look:
            self._look_at = None
        return _end_of(self._progress, look=look)

    def take(self, event: Event | None) -> None:
        """Note an event and read what it says; a reset that is held goes on."""
        if event is None:
            return
        if self._look_at is None and isinstance(event, ConsoleData):
            self._look_at = event.t + LOOK_S
        before = self._progress.marks()
        self._progress.feed(event)
        self._recording.add(event, pin=self._progress.marks() != before)
        if is_held_reset(event) or event is self._progress.switched_off:
            if self._at_reset is not None:
                self._at_reset()
            self._machine.release_reset()

    def linger(self, seconds: float, *, while_in_doubt: bool = False) -> None:
        """Read what is still on its way. Whoever answers has not died of what the console said."""
        if self._progress.ending is not self._pinged_for:
            self._pinged_for = self._progress.ending
            self._machine.ping()
        rest = Deadline.after(self._machine.clock, seconds)
        while (late := self._machine.next_event(rest)) is not None:
            self.take(late)
            ended = self._progress.exit is not None or (while_in_doubt and not self._progress.console.in_doubt)
            if late.t > rest.at or ended:
                return

    def ended(self, reason: EndReason, given_up: GivenUp | None = None) -> Watched:
        """What watching gave."""
        return Watched(self._recording.events(), reason, self._progress, given_up)


def _end_of(progress: Progress, *, look: bool = True) -> EndReason | None:
    """`look`: at the unfinished line, too."""
    if progress.exit is not None:
        return EndReason.EXIT
    if progress.ready is not None:
        return EndReason.READY
    decided = progress.ending is not None or progress.refused is not None
    decided = decided or (look and progress.console.peek() is not None)
    if decided or progress.looping or progress.powered_off is not None:
        return EndReason.FATAL
    return None


class Usual(Struct, frozen=True):
    """What this cell's reboots have been like so far, against which the next one is held."""

    #: signatures of the oopses and warnings of its cold boots
    signatures: frozenset[str] = frozenset()
    slow_above_s: float | None = None
    #: no hardware runs the guest's code
    emulated: bool = False
    #: what the guest's devices were after the first cold boot; None if that is not known, or not to be compared
    devices: Inventory | None = None


NOTHING_USUAL = Usual()


class Running(Struct, frozen=True):
    """A system that is up, as it reported itself."""

    boot_id: str
    kernel: str
    ready: dict[str, Any]

    @classmethod
    def from_report(cls, ready: dict[str, Any]) -> Running:
        return cls(str(ready.get("boot_id")), str(ready.get("kernel_release")), ready)

    @classmethod
    def of(cls, progress: Progress) -> Running | None:
        """The system that has come up; None if none has, or its machine is gone."""
        return cls.from_report(progress.ready) if progress.ready is not None and progress.exit is None else None


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
    since: Sequence[Event] = (),
    deadlines: Deadlines,
    kernel_expected: str | None = None,
    kernel_chosen: str | None = None,
    usual: Usual = NOTHING_USUAL,
    at_reset: Callable[[], None] | None = None,
) -> CycleResult:
    """Carry out one reboot and judge it. `since` is what has been taken from the machine since the system `before` was
    seen to be up, and by nobody else. `kernel_expected` is the release that must run then; None: the same again.
    `kernel_chosen` is one of the image's that the next boot is made to start, and then the expected one.

    A kexec or a soft reboot in which the machine is reset has failed: the reset is held while `at_reset` takes what it
    would destroy.

    Raises MachineError if the guest cannot be armed: then the reboot was never asked for, and the cycle says
    nothing of it; SystemDied if it is because the system is dead or another one by now, which the boot before it has
    to answer for.
    """
    if method.path is BootPath.SOFT:
        # It starts no kernel, whichever the next boot is to have.
        kernel_chosen = None
    expectation = _expect(cell, method, nonce, before, kernel_expected or kernel_chosen or before.kernel)
    preparation = [*since, *drain(machine)]
    try:
        _prepare(machine, method, device_set, nonce, kernel_chosen)
    except GuestGone:
        # QEMU died under the cycle's hands: a failure like any other time it dies.
        watched = watch(machine, _progress(expectation), deadlines, _ends(preparation), path=method.path)
        return _judge(expectation, watched, preparation, usual)
    except SystemDied as error:
        raise SystemDied(str(error), (*preparation, *drain(machine))) from error
    preparation += drain(machine)
    if (left := has_left(preparation, before)) is not None:
        raise SystemDied(left, preparation)
    ends = _ends(preparation)
    start = machine.vcpu_time()
    # If QEMU is gone, its end is an event, and watching finds it.
    with contextlib.suppress(GuestGone):
        if method.path is not BootPath.FIRMWARE or method.power_cycle:
            machine.hold_resets()
        machine.send(method.trigger, purpose="trigger")
    watched = watch(machine, _progress(expectation), deadlines, ends, at_reset, path=method.path)
    machine.let_resets_go()
    used = _used(start, machine.vcpu_time())
    findings: tuple[DeviceFinding, ...] = ()
    if (up := Running.of(watched.progress)) is not None:
        findings = check_devices(machine, device_set, nonce, up.kernel, usual.devices)
        watched = structs.replace(watched, events=(*watched.events, *drain(machine)))
    return _judge(expectation, watched, preparation, usual, findings=findings, used=used)


def _judge(
    expectation: Expectation,
    watched: Watched,
    preparation: list[Event],
    usual: Usual,
    *,
    findings: tuple[DeviceFinding, ...] = (),
    used: ThreadTime | None = None,
) -> CycleResult:
    before = "".join(map(console_text, preparation))
    evidence = Evidence(
        expectation=expectation,
        events=watched.events,
        ended_by=watched.ended_by,
        deadline_s=watched.given_up.after_s if watched.given_up else None,
        deadline_note=watched.given_up.note if watched.given_up else "",
        findings=findings,
        console_offset=len(before),
        console_newlines=before.count("\n"),
        baseline=usual.signatures,
        slow_above_s=usual.slow_above_s,
        emulated=usual.emulated,
        vcpu_s=used.on_cpu_s if used else None,
        vcpu_wait_s=used.waiting_s if used else None,
    )
    ready = watched.progress.ready
    running = Running.from_report(ready) if ready else None
    return CycleResult(evidence, classify(evidence), running, (*preparation, *watched.events))


def _prepare(machine: Machine, method: Method, device_set: DeviceSet, nonce: str, kernel: str | None) -> None:
    scripts = [("device-before", device_set.before(nonce)), ("arm", method.arm(nonce))]
    if kernel is not None:
        scripts.insert(0, ("kernel", choose_kernel(kernel)))
    for purpose, script in scripts:
        _run_or_fail(machine, purpose, script)


def change_kernel(machine: Machine, release: str) -> None:
    """Start a cold reboot into another kernel of the image. Raises MachineError if it cannot be asked for."""
    for purpose, script in (("kernel", choose_kernel(release)), ("arm", cold.METHOD.arm(SETUP))):
        _run_or_fail(machine, purpose, script)
    drain(machine)
    machine.send(cold.METHOD.trigger, purpose="trigger")


def _run_or_fail(machine: Machine, purpose: str, script: str) -> None:
    try:
        reply = machine.run(script, purpose=purpose)
    except GuestGone:
        raise
    except MachineError as error:
        raise SystemDied(str(error)) from error
    if reply.status != 0:
        raise MachineError(f"the guest could not be prepared ({purpose}): {reply.output.strip()[:400]}")


def has_left(events: Sequence[Event], running: Running) -> str | None:
    """What in these events, which came while it was to be up, says that this system is gone; None if nothing does."""
    for event in events:
        match event:
            case QmpEvent(_, "RESET" | "SHUTDOWN", data):
                return f"the machine was {'reset' if event.name == 'RESET' else 'switched off'} ({data.get('reason')})"
            case AgentMessage(_, {"type": "ready", "boot_id": other}) if other != running.boot_id:
                return "another boot has reported since"
            case _:
                pass
    return None


def judge_again(result: CycleResult, since: Sequence[Event], died: str) -> CycleResult:
    """The same cycle, once it is known that its system did not last; `since` is what came after its end."""
    evidence = structs.replace(result.evidence, events=(*result.evidence.events, *since), died=died)
    return CycleResult(evidence, classify(evidence), None, (*result.events, *since))


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
        power_cycle=method.power_cycle,
    )


def _progress(expectation: Expectation) -> Progress:
    soft = expectation.path is BootPath.SOFT
    return Progress(expectation.boot_id_before, power_cycle=expectation.power_cycle, soft=soft)


def _used(start: ThreadTime | None, end: ThreadTime | None) -> ThreadTime | None:
    return end.since(start) if start and end else None
