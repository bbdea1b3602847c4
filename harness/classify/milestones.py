"""How far a reboot has come: an incremental reading of its events, the same live and afterwards."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from harness.classify.console import ConsoleReader, Sign
from harness.classify.pulse import Pulse
from harness.model import (
    AgentMessage,
    CommandSent,
    ConsoleData,
    Event,
    Evidence,
    FirmwareData,
    Gap,
    Heartbeat,
    Milestone,
    Phases,
    ProcessExit,
    QmpEvent,
    Stage,
)
from harness.model.sizes import console_text

#: resets closer together than this are one: firmware resets the machine up to five times within 40 ms
RESET_BURST_S = 1.0
ORDER = tuple(Milestone)
#: as many resets more than a reboot needs are a machine that cannot get out of it
LOOP_RESETS = 3

_STAGES = {
    Milestone.TRIGGER: Stage.SHUTDOWN,
    Milestone.SHUTDOWN_DONE: Stage.SHUTDOWN,
    Milestone.HANDOFF: Stage.HANDOFF,
    Milestone.FIRMWARE: Stage.HANDOFF,
    Milestone.LOADER: Stage.HANDOFF,
    Milestone.KERNEL: Stage.KERNEL,
    Milestone.INIT: Stage.INITRD,
    Milestone.SYSTEMD: Stage.USERSPACE,
    Milestone.READY: Stage.UP,
}


class Identity(Struct, frozen=True):
    """What the guest's shell says of the running system when it is asked, not what a report of it says."""

    #: it was asked and it answered at these times, and said this somewhen in between
    asked_at: float
    t: float
    boot_id: str
    uptime_s: float | None
    cmdline_nonce: str


class Progress:
    """Feed it a cycle's events in order of arrival; read how far the reboot has come.

    `boot_id_before` is the boot id of the system that was asked to reboot: its own reports do not count. `host_clock`
    False: the events carry no times, as those made from a file. `power_cycle`: the guest was asked to switch the
    machine off, and the host switches it on again. `soft`: it was asked to start userspace alone anew.
    """

    def __init__(
        self,
        boot_id_before: str | None,
        *,
        host_clock: bool = True,
        offset: int = 0,
        newlines: int = 0,
        power_cycle: bool = False,
        soft: bool = False,
    ) -> None:
        self.at: dict[Milestone, float] = {}
        #: time of each burst of resets
        self.resets: list[float] = []
        #: when the last one began, or went on after it was held
        self._burst_at = 0.0
        #: how far the reboot had come at each of them, and whether somebody had announced it on the console
        self.reset_after: list[tuple[Milestone | None, bool]] = []
        #: the bursts that somebody on the host began, by QMP
        self.resets_by_host: list[float] = []
        self.firmware_spoke = False
        self.exit: ProcessExit | None = None
        self.watchdog: QmpEvent | None = None
        #: the machine was switched off by its guest, as it was to be
        self.switched_off: QmpEvent | None = None
        #: the machine was switched off by its guest, and was not to be
        self.powered_off: QmpEvent | None = None
        #: the guest's report that its boot is finished
        self.ready: dict[str, Any] | None = None
        #: the running system's own word, asked for after that report
        self.identity: Identity | None = None
        #: after that report, another system than the one that it names has spoken
        self.disowned = False
        #: how the guest answered the request to reboot, if it refused
        self.refused: str | None = None
        self.console = ConsoleReader(self, host_clock=host_clock, offset=offset, newlines=newlines, soft=soft)
        #: what the machine is doing while it is silent
        self.pulse = Pulse()
        self._power_cycle = power_cycle
        self._last: Milestone | None = None
        self._boot_id_before = boot_id_before
        self._trigger_id: int | None = None
        self._identity_id: int | None = None
        self._identity_asked_at = 0.0
        #: the last question for a sign of life
        self._ping_id: int | None = None
        #: the machine stands before a reset
        self._held = False

    @property
    def last(self) -> Milestone | None:
        """The furthest milestone passed."""
        return self._last

    @property
    def last_at(self) -> float | None:
        """When the furthest milestone was passed."""
        return self.at[self.last] if self.last is not None else None

    @property
    def stage(self) -> Stage:
        """The stretch of the reboot that is under way."""
        if self.last is None:
            return Stage.HANDOFF
        if self.last is Milestone.SHUTDOWN_DONE and self.console.left_userspace:
            return Stage.DEVICE_SHUTDOWN
        return _STAGES[self.last]

    @property
    def ending(self) -> Sign | None:
        """The text after which this boot does not come up, unless something has refuted it since."""
        return self.console.ending

    @property
    def same_kernel(self) -> bool:
        """Whether the system that is up says that it runs on the kernel which was to be left."""
        before = self._boot_id_before
        return before is not None and self.ready is not None and self.ready.get("boot_id") == before

    @property
    def jumped_at(self) -> float | None:
        """When the old kernel said that it starts the loaded one."""
        return self.console.jumped_at

    @property
    def looping(self) -> bool:
        """Whether the machine is reset again and again."""
        return len(self.resets) > LOOP_RESETS

    def feed(self, event: Event) -> None:
        """Take one more event into account."""
        # A machine that is held before its reset stands still because we said so.
        if not (self._held and isinstance(event, Heartbeat)):
            self.pulse.feed(event)
        match event:
            case ConsoleData(t) | Gap(t, "console"):
                # The place of a gap is read as the log has it, so that lines after it stand where the log has them.
                self.console.feed(t, console_text(event))
            case FirmwareData(t):
                self._firmware(t)
            case QmpEvent(t, name):
                self._qmp(t, name, event)
            case AgentMessage(t, body):
                self._agent(t, body)
            case CommandSent(t, number, "trigger"):
                self._trigger_id = number
                self.reach(Milestone.TRIGGER, t)
            case CommandSent(t, number, "device-after"):
                self._identity_id, self._identity_asked_at = number, t
            case CommandSent(t, number, "ping"):
                self._ping_id = number
            case ProcessExit():
                self.exit = event
            case _:
                pass

    def feed_all(self, events: Iterable[Event]) -> Progress:
        """Take all of them into account, and the console's last line even if it does not end."""
        t = 0.0
        for event in events:
            self.feed(event)
            t = event.t
        self.console.finish(t)
        return self

    def marks(self) -> tuple[object, ...]:
        """All that was found to mean something so far: an event that changes it must be kept."""
        return (
            tuple(self.at.values()),
            len(self.resets),
            self.firmware_spoke,
            self.watchdog,
            self.powered_off,
            self.switched_off,
            self.ready is not None,
            self.identity,
            self.disowned,
            self.refused,
            self.console.marks(),
        )

    def reach(self, milestone: Milestone, t: float) -> None:
        """Note that a milestone was passed, if it is the first time."""
        self.at.setdefault(milestone, t)
        if self._last is None or ORDER.index(milestone) > ORDER.index(self._last):
            self._last = milestone

    def reach_again(self, milestone: Milestone, t: float) -> None:
        """Note that a milestone was passed later than it had seemed."""
        self.reach(milestone, t)
        self.at[milestone] = t

    def _qmp(self, t: float, name: str, event: QmpEvent) -> None:
        reason = event.data.get("reason")
        if is_held_reset(event):
            self._held = True
            self._reset(t, by_host=str(reason).startswith("host-"))
        elif name == "RESET" and self._held:
            # The reset that was held goes on, however long it was; from here on the machine has the time it takes.
            self._held = False
            self._burst_at = t
            self.reach_again(Milestone.HANDOFF, t)
        elif name == "RESET":
            self._reset(t, by_host=str(reason).startswith("host-"))
        elif name == "SHUTDOWN" and reason == "guest-shutdown" and self._power_cycle and self.switched_off is None:
            self.switched_off = event
            self._held = True
            self._reset(t, by_host=False)
        elif name == "SHUTDOWN" and reason == "guest-shutdown":
            self.powered_off = self.powered_off or event
        elif name == "WATCHDOG":
            self.watchdog = self.watchdog or event

    def _reset(self, t: float, *, by_host: bool) -> None:
        if self.resets and t - self._burst_at < RESET_BURST_S:
            return
        self._burst_at = t
        self.resets.append(t)
        if by_host:
            self.resets_by_host.append(t)
        self.reset_after.append((self.last, self.console.restart_announced))
        self.console.new_boot()
        self.reach(Milestone.HANDOFF, t)

    def _firmware(self, t: float) -> None:
        self.firmware_spoke = True
        if self.resets:
            self.reach(Milestone.FIRMWARE, t)

    def _agent(self, t: float, body: dict[str, Any]) -> None:
        kind = body.get("type")
        if kind == "reply":
            self._reply(t, body)
        elif self.ready is not None and self._is_new_boot(body.get("boot_id")):
            self.disowned = self.disowned or body.get("boot_id") != self.ready.get("boot_id")
        if kind == "ready" and self.ready is None and self._is_new_boot(body.get("boot_id")):
            self.ready = body
            self.reach(Milestone.READY, t)
        elif kind == "ready" and self.ready is None and self._is_new_userspace(body.get("boot_id")):
            self.ready = body
            self.reach(Milestone.SYSTEMD, self.console.userspace_at or t)
            self.reach(Milestone.READY, t)
        if kind == "reply" or body.get("boot_id") != self._boot_id_before:
            self.console.agent_speaks(up=kind == "ready" and body.get("state") in ("running", "degraded"))

    def _reply(self, t: float, body: dict[str, Any]) -> None:
        status = body.get("status")
        # 128 and more: killed by a signal, as happens in the shutdown that it has started.
        if body.get("id") == self._trigger_id and isinstance(status, int) and 0 < status < 128:
            self.refused = f"systemctl reboot ended with status {status}"
        if self._ping_id is not None and body.get("id") == self._ping_id:
            # It was asked after the text that seemed to end the boot.
            self.console.answers()
        if self._identity_id is not None and body.get("id") == self._identity_id:
            self.identity = read_identity(self._identity_asked_at, t, body.get("output"))

    def _is_new_boot(self, boot_id: object) -> bool:
        """After a reboot was asked for, nobody can be ready before a new kernel has printed its first line."""
        if not isinstance(boot_id, str) or boot_id in {"", self._boot_id_before}:
            return False
        return Milestone.KERNEL in self.at or Milestone.TRIGGER not in self.at

    def _is_new_userspace(self, boot_id: object) -> bool:
        """The old system's kernel goes on; its first program was seen to start anew since the reboot was asked for."""
        same = isinstance(boot_id, str) and boot_id != "" and boot_id == self._boot_id_before
        return same and self.console.userspace_at is not None and Milestone.KERNEL not in self.at


def is_held_reset(event: Event | None) -> bool:
    """Whether the machine stands before a reset that its guest, or somebody on the host, has asked for."""
    return isinstance(event, QmpEvent) and event.name == "SHUTDOWN" and str(event.data.get("reason")).endswith("-reset")


#: Guest script by which the running system says who it is; it stands before a check of the devices.
IDENTIFY = """
identity_nonce=$(sed -n 's/.*kexec_harness\\.nonce=\\([0-9a-f]*\\).*/\\1/p' /proc/cmdline)
echo "boot $(cat /proc/sys/kernel/random/boot_id) $(cut -d' ' -f1 /proc/uptime) $identity_nonce"
"""


def read_identity(asked_at: float, t: float, output: object) -> Identity | None:
    """What `IDENTIFY` printed, out of the agent's reply (base64); None if it is not there."""
    if not isinstance(output, str):
        return None
    try:
        text = base64.b64decode(output, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return None
    for line in text.splitlines():
        words = line.split(" ")
        if words[0] == "boot" and len(words) == 4:
            return Identity(asked_at, t, words[1], _seconds(words[2]), words[3])
    return None


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < 1e9 else None


def phases(at: dict[Milestone, float]) -> Phases:
    """Seconds per phase from the times of the milestones; None where either end is unknown."""

    def between(start: Milestone, end: Milestone) -> float | None:
        if start not in at or end not in at:
            return None
        seconds = at[end] - at[start]
        return seconds if seconds >= 0 else None

    # Where no kernel is left, the old system's last act is that its first program starts anew.
    left = Milestone.HANDOFF if Milestone.HANDOFF in at else Milestone.SYSTEMD
    return Phases(
        total_s=between(Milestone.TRIGGER, Milestone.READY),
        shutdown_s=between(Milestone.TRIGGER, left),
        handoff_s=between(Milestone.HANDOFF, Milestone.KERNEL),
        firmware_s=between(Milestone.HANDOFF, Milestone.LOADER),
        loader_s=between(Milestone.LOADER, Milestone.KERNEL),
        kernel_s=between(Milestone.KERNEL, Milestone.INIT),
        initrd_s=between(Milestone.INIT, Milestone.SYSTEMD),
        userspace_s=between(Milestone.SYSTEMD, Milestone.READY),
    )


def own_seconds(took: Phases, evidence: Evidence) -> float | None:
    """Seconds of a reboot that are the guest's own doing; None if it did not come up.

    Without what its vCPUs waited for the host, and without the hand-off of an emulated CPU, whose speed at running boot
    loaders and decompressors varies by a factor of ten (docs/verdicts.md).
    """
    if took.total_s is None:
        return None
    handoff = (took.handoff_s or 0.0) if evidence.emulated else 0.0
    return took.total_s - handoff - (evidence.vcpu_wait_s or 0.0)
