"""How far a reboot has come: an incremental reading of its events, the same live and afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from harness.classify.lines import LineAssembler
from harness.classify.rules import FATAL, KEXEC_LOAD, MILESTONES, FatalRule
from harness.model import (
    AgentMessage,
    CommandSent,
    ConsoleData,
    Event,
    FirmwareData,
    Milestone,
    Phases,
    ProcessExit,
    QmpEvent,
)

#: resets closer together than this are one: firmware resets the machine up to five times within 40 ms
RESET_BURST_S = 1.0
ORDER = tuple(Milestone)


class FatalText(Struct, frozen=True):
    """A rule of `rules.FATAL` that matched, and the line."""

    t: float
    rule: FatalRule
    line: str


class Progress:
    """Feed it a cycle's events in order of arrival; read how far the reboot has come.

    `boot_id_before` is the boot id of the system that was asked to reboot: its own reports do not count.
    """

    def __init__(self, boot_id_before: str | None) -> None:
        self.at: dict[Milestone, float] = {}
        #: time of each burst of QMP RESET events
        self.resets: list[float] = []
        self.firmware_spoke = False
        self.fatal: FatalText | None = None
        self.exit: ProcessExit | None = None
        #: the guest's report that its boot is finished
        self.ready: dict[str, Any] | None = None
        #: how the guest answered the request to reboot, if it refused
        self.refused: str | None = None
        self.jumped_at: float | None = None
        #: what kexec-load said of its decision
        self.kexec_load_said: str | None = None
        self._boot_id_before = boot_id_before
        self._systemd_starts = 0
        self._trigger_id: int | None = None
        self._lines = LineAssembler()

    @property
    def last(self) -> Milestone | None:
        """The furthest milestone passed."""
        return max(self.at, key=ORDER.index, default=None)

    @property
    def last_at(self) -> float | None:
        """When the furthest milestone was passed."""
        return self.at[self.last] if self.last is not None else None

    def feed(self, event: Event) -> None:
        """Take one more event into account."""
        match event:
            case ConsoleData(t, text):
                for line in self._lines.feed(text):
                    self._read_line(t, line)
            case FirmwareData(t):
                self._firmware(t)
            case QmpEvent(t, "RESET"):
                self._reset(t)
            case AgentMessage(t, body):
                self._agent(t, body)
            case CommandSent(t, number, "trigger"):
                self._trigger_id = number
                self._pass(Milestone.TRIGGER, t)
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
        for line in self._lines.finish():
            self._read_line(t, line)
        return self

    def _pass(self, milestone: Milestone, t: float) -> None:
        self.at.setdefault(milestone, t)

    def _reset(self, t: float) -> None:
        if self.resets and t - self.resets[-1] < RESET_BURST_S:
            return
        self.resets.append(t)
        self._pass(Milestone.HANDOFF, t)

    def _firmware(self, t: float) -> None:
        self.firmware_spoke = True
        if self.resets:
            self._pass(Milestone.FIRMWARE, t)

    def _agent(self, t: float, body: dict[str, Any]) -> None:
        status = body.get("status")
        # 128 and more: killed by a signal, as happens in the shutdown that it has started.
        refused = isinstance(status, int) and 0 < status < 128
        if body.get("type") == "reply" and body.get("id") == self._trigger_id and refused:
            self.refused = f"systemctl reboot ended with status {status}"
        if body.get("type") == "ready" and self.ready is None and self._is_new_boot(body.get("boot_id")):
            self.ready = body
            self._pass(Milestone.READY, t)

    def _is_new_boot(self, boot_id: object) -> bool:
        """After a reboot was asked for, nobody can be ready before a new kernel has printed its first line."""
        if not isinstance(boot_id, str) or boot_id in {"", self._boot_id_before}:
            return False
        return Milestone.KERNEL in self.at or Milestone.TRIGGER not in self.at

    def _read_line(self, t: float, line: str) -> None:
        for milestone in MILESTONES:
            if milestone.pattern.search(line) and self._plausible(milestone.milestone):
                self._text_milestone(milestone.milestone, t)
        if said := KEXEC_LOAD.search(line):
            self.kexec_load_said = said["said"]
        if self.fatal is None:
            for rule in FATAL:
                if rule.pattern.search(line):
                    self.fatal = FatalText(t, rule, line)
                    break

    def _plausible(self, milestone: Milestone) -> bool:
        """Text only counts where it can be: what follows the hand-off cannot be printed before it."""
        if milestone is Milestone.SHUTDOWN_DONE:
            return Milestone.HANDOFF not in self.at
        if milestone in {Milestone.FIRMWARE, Milestone.LOADER}:
            return bool(self.resets) and Milestone.KERNEL not in self.at
        if milestone in {Milestone.KERNEL, Milestone.INIT, Milestone.SYSTEMD}:
            return Milestone.HANDOFF in self.at or Milestone.TRIGGER not in self.at
        return True

    def _text_milestone(self, milestone: Milestone, t: float) -> None:
        if milestone is Milestone.HANDOFF:
            self.jumped_at = t
        if milestone is Milestone.SYSTEMD and Milestone.READY not in self.at:
            # systemd may run in the initramfs first; the second one to start is the real root's.
            self._systemd_starts += 1
            if self._systemd_starts <= 2:
                self.at[milestone] = t
            return
        self._pass(milestone, t)


def phases(at: dict[Milestone, float]) -> Phases:
    """Seconds per phase from the times of the milestones; None where either end is unknown."""

    def between(start: Milestone, end: Milestone) -> float | None:
        if start not in at or end not in at:
            return None
        seconds = at[end] - at[start]
        return seconds if seconds >= 0 else None

    return Phases(
        total_s=between(Milestone.TRIGGER, Milestone.READY),
        shutdown_s=between(Milestone.TRIGGER, Milestone.HANDOFF),
        handoff_s=between(Milestone.HANDOFF, Milestone.KERNEL),
        firmware_s=between(Milestone.HANDOFF, Milestone.LOADER),
        loader_s=between(Milestone.LOADER, Milestone.KERNEL),
        kernel_s=between(Milestone.KERNEL, Milestone.INIT),
        initrd_s=between(Milestone.INIT, Milestone.SYSTEMD),
        userspace_s=between(Milestone.SYSTEMD, Milestone.READY),
    )
