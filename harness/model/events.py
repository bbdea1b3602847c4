"""What is seen of a machine: one event for each thing that arrives, stamped on arrival."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct


class ConsoleData(Struct, frozen=True, tag="console", tag_field="channel"):
    """Bytes from the serial console, decoded as Latin-1 so that every byte survives."""

    t: float
    text: str


class FirmwareData(Struct, frozen=True, tag="firmware", tag_field="channel"):
    """Bytes from the firmware's debug console port, as Latin-1."""

    t: float
    text: str


class AgentMessage(Struct, frozen=True, tag="agent", tag_field="channel"):
    """One report of the guest agent, already parsed; `body` is untrusted."""

    t: float
    body: dict[str, Any]


class QmpEvent(Struct, frozen=True, tag="qmp", tag_field="channel"):
    """One asynchronous QMP event."""

    t: float
    name: str
    data: dict[str, Any] = {}


class ProcessExit(Struct, frozen=True, tag="process", tag_field="channel"):
    """QEMU ended. `status` is as in subprocess: negative for a signal."""

    t: float
    status: int
    stderr: str = ""


class CommandSent(Struct, frozen=True, tag="command", tag_field="channel"):
    """The harness sent a script to the agent. `purpose` names the milestone `trigger` among others."""

    t: float
    id: int
    purpose: str
    script: str


Event = ConsoleData | FirmwareData | AgentMessage | QmpEvent | ProcessExit | CommandSent


class CommandReply(Struct, frozen=True):
    """What a script run by the guest agent gave."""

    status: int
    output: str


class EndReason(StrEnum):
    """Why the watcher stopped watching a cycle."""

    READY = "ready"
    FATAL = "fatal"
    DEADLINE = "deadline"
    EXIT = "exit"


class DeviceFinding(Struct, frozen=True):
    """What one device check of the guest gave after a reboot."""

    check: str
    ok: bool
    detail: str = ""
