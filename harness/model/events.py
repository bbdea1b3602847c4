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


#: name of the event by which the harness itself says that QMP's connection was lost
QMP_LOST = "CONNECTION_LOST"


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


class Vcpu(Struct, frozen=True):
    """What was seen of one virtual CPU; None is unknown."""

    #: seconds since power-on that its thread ran, and that it could have run but waited for a host CPU
    on_cpu_s: float | None = None
    waiting_s: float | None = None
    #: its instruction pointer, in hexadecimal as System.map has addresses
    ip: str | None = None
    #: whether it waits for an interrupt
    halted: bool | None = None
    #: whether it would take one
    interrupts: bool | None = None
    #: bits of its flags register, in hexadecimal, which no CPU of its kind can set; None where there are none
    impossible_flags: str | None = None


class Heartbeat(Struct, frozen=True, tag="heartbeat", tag_field="channel"):
    """What the machine was doing at a moment of silence, seen from outside."""

    t: float
    #: seconds since the last byte on any channel of the guest
    silent_s: float
    #: QEMU's run state; None if QEMU has not answered the question
    runstate: str | None = None
    #: if it has not: seconds since it was asked
    unanswered_s: float = 0.0
    #: reads, writes and flushes of all disks since power-on
    disk_operations: int | None = None
    vcpus: tuple[Vcpu, ...] = ()


class Gap(Struct, frozen=True, tag="gap", tag_field="channel"):
    """What stood here was read when it came, and not kept: the guest said too much."""

    t: float
    #: the channel whose data is missing: `console`, `firmware`, `agent` or `qmp`
    of: str
    #: bytes that are missing, and how many of them are newlines; events for `agent` and `qmp`
    size: int
    newlines: int = 0


Event = ConsoleData | FirmwareData | AgentMessage | QmpEvent | ProcessExit | CommandSent | Heartbeat | Gap


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
