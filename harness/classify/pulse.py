"""What a silent machine is doing, from its heartbeats: at work, waiting, or dead. Pure, the same live and afterwards.

| state | what was seen |
|---|---|
| busy | bytes on a channel, disk operations, or a vCPU that runs through ever other code |
| spinning | a vCPU runs, always within the same few KiB of code, and nothing else moves |
| idle | every vCPU waits for an interrupt and would take one: a timer's, or one that never comes |
| halted | every vCPU waits for an interrupt and takes none: only a reset ends that |
| stopped | QEMU has paused the machine: its run state says why |
| qemu_hung | QEMU lives and does not answer |
| starved | a vCPU could run, and the host gives it no CPU |
"""

from __future__ import annotations

from enum import StrEnum

from harness.model import AgentMessage, ConsoleData, Event, FirmwareData, Gap, Heartbeat, Vcpu

#: code within one such stretch is one place: a loop with what it calls; purgatory's and a decompressor's fit into it
PLACE_BYTES = 8192
#: heartbeats in the same place before that is called spinning
PLACE_SAMPLES = 3
#: share of the time between two heartbeats from which on a vCPU is said to run
RUNNING_SHARE = 0.2
#: share that a vCPU waited for the host from which on it is starved, if it ran less
STARVED_SHARE = 0.5
#: an unanswered question says nothing before
UNANSWERED_S = 3.0
#: a state is not known any more when nothing was seen for so long; heartbeats come every 5 s at least
STALE_S = 8.0
INTERNAL_ERROR = "internal-error"


class GuestState(StrEnum):
    """What a machine is doing; the module's table says how each is told."""

    BUSY = "busy"
    SPINNING = "spinning"
    IDLE = "idle"
    HALTED = "halted"
    STOPPED = "stopped"
    QEMU_HUNG = "qemu_hung"
    STARVED = "starved"


class Pulse:
    """Feed it a machine's events in order of arrival; read what the machine is doing."""

    def __init__(self) -> None:
        self.state: GuestState | None = None
        #: since when it has been in this state
        self.since = 0.0
        #: QEMU's run state, as last heard
        self.runstate: str | None = None
        #: seconds in which a vCPU could have run and the host gave it no CPU
        self.waited_s = 0.0
        #: the same, when this state began
        self.waited_before_s = 0.0
        #: what a standing vCPU had in its flags register and cannot have there, seen twice
        self.impossible_flags: str | None = None
        self._seen_at: float | None = None
        self._last: Heartbeat | None = None
        #: lowest and highest instruction pointer of each vCPU since it has been in one place
        self._places: list[tuple[int, int]] = []
        self._same_place = 0
        self._placed_at = self._placed_waited_s = 0.0

    def feed(self, event: Event) -> None:
        """Take one more event into account."""
        match event:
            case Heartbeat():
                self._beat(event)
            case ConsoleData(t) | FirmwareData(t) | AgentMessage(t) | Gap(t):
                self._same_place = 0
                self._set(GuestState.BUSY, t)
            case _:
                pass

    def state_at(self, t: float) -> GuestState | None:
        """The state, unless nothing was heard for too long before `t`."""
        return self.state if t < self.stale_at else None

    @property
    def stale_at(self) -> float:
        """When the state is not known any more if nothing comes until then."""
        return float("-inf") if self._seen_at is None else self._seen_at + STALE_S

    def describe(self) -> str:
        """What the machine was doing, in words for a sentence's end."""
        place = "-".join(f"{ip:x}" for ip in self._places[0]) if self._places else "one place"
        words = {
            None: "what the machine was doing is not known",
            GuestState.BUSY: "the machine was at work",
            GuestState.SPINNING: f"a vCPU was spinning in place ({place})",
            GuestState.IDLE: "the vCPUs were idle, waiting for an interrupt",
            GuestState.HALTED: "the vCPUs were halted with interrupts off",
            GuestState.STOPPED: f"QEMU had stopped the machine ({self.runstate})",
            GuestState.QEMU_HUNG: "QEMU did not answer",
            GuestState.STARVED: "the host gave the vCPUs no time",
        }
        return words[self.state]

    def _set(self, state: GuestState | None, t: float, since: float | None = None) -> None:
        if state is not self.state:
            self.since = t if since is None else since
            self.waited_before_s = self._placed_waited_s if state is GuestState.SPINNING else self.waited_s
        self.state, self._seen_at = state, t

    def _beat(self, beat: Heartbeat) -> None:
        last, self._last = self._last, beat
        if last is not None:
            self.impossible_flags = self.impossible_flags or _impossible(last, beat)
            self.waited_s += min(beat.t - last.t, _largest(last, beat, "waiting_s"))
        if beat.runstate is None:
            if beat.unanswered_s >= UNANSWERED_S:
                self._set(GuestState.QEMU_HUNG, beat.t, beat.t - beat.unanswered_s)
            return
        self.runstate = beat.runstate
        state = self._judge(last, beat)
        self._set(state, beat.t, self._placed_at if state is GuestState.SPINNING else None)

    def _judge(self, last: Heartbeat | None, beat: Heartbeat) -> GuestState | None:
        moved = self._has_moved(beat)
        if beat.runstate != "running":
            return GuestState.STOPPED
        if beat.vcpus and all(vcpu.halted and vcpu.interrupts is False for vcpu in beat.vcpus):
            return GuestState.HALTED
        if last is None or beat.t <= last.t:
            return None
        return self._compare(last, beat, moved=moved)

    def _compare(self, last: Heartbeat, beat: Heartbeat, *, moved: bool) -> GuestState | None:
        seconds = beat.t - last.t
        if beat.silent_s < seconds or _difference(last.disk_operations, beat.disk_operations) > 0:
            self._same_place = 0
            return GuestState.BUSY
        if _largest(last, beat, "on_cpu_s") < RUNNING_SHARE * seconds:
            starved = _largest(last, beat, "waiting_s") > STARVED_SHARE * seconds
            return GuestState.STARVED if starved else GuestState.IDLE
        if moved:
            return GuestState.BUSY
        return GuestState.SPINNING if self._same_place >= PLACE_SAMPLES else self.state

    def _has_moved(self, beat: Heartbeat) -> bool:
        """Whether a vCPU has left the place where it was since the heartbeats before."""
        found = [int(vcpu.ip, 16) for vcpu in beat.vcpus if vcpu.ip is not None]
        if len(found) == len(self._places) and self._same_place:
            wider = [(min(low, ip), max(high, ip)) for (low, high), ip in zip(self._places, found, strict=True)]
            if all(high - low < PLACE_BYTES for low, high in wider):
                self._places = wider
                self._same_place += 1
                return False
        moved = self._same_place > 0
        self._places = [(ip, ip) for ip in found]
        self._same_place, self._placed_at = int(bool(found)), beat.t
        self._placed_waited_s = self.waited_s
        return moved or not found


def _difference(before: int | None, after: int | None) -> int:
    return 0 if before is None or after is None else after - before


def _impossible(last: Heartbeat, beat: Heartbeat) -> str | None:
    """The same impossible flags of a vCPU that stood still both times; of a running one, QEMU's answer is a guess."""
    for before, after in zip(last.vcpus, beat.vcpus, strict=False):
        if before.halted and after.halted and before.impossible_flags == after.impossible_flags is not None:
            return after.impossible_flags
    return None


def _largest(last: Heartbeat, beat: Heartbeat, field: str) -> float:
    """The largest growth of that time among the vCPUs, in seconds."""
    pairs = zip(last.vcpus, beat.vcpus, strict=False)
    return max((_growth(before, after, field) for before, after in pairs), default=0.0)


def _growth(before: Vcpu, after: Vcpu, field: str) -> float:
    start, end = getattr(before, field), getattr(after, field)
    return 0.0 if start is None or end is None else max(0.0, end - start)
