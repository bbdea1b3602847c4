"""What events take in memory, and what stands for those that are not kept: in the recording, and in the log."""

from __future__ import annotations

import msgspec

from harness.model.events import AgentMessage, ConsoleData, Event, FirmwareData, Gap, QmpEvent

#: about what an event takes besides its text
EVENT_BYTES = 250
#: the same for the text of a message that has become objects
OBJECT_FACTOR = 4


def channel_of(event: Event) -> str | None:
    """The channel of an event that a guest can send without end; None for any other."""
    match event:
        case ConsoleData():
            return "console"
        case FirmwareData():
            return "firmware"
        case AgentMessage():
            return "agent"
        case QmpEvent():
            return "qmp"
        case _:
            return None


def cost_of(event: Event) -> int:
    """About what an event takes in memory, in bytes."""
    match event:
        case ConsoleData(_, text) | FirmwareData(_, text):
            return EVENT_BYTES + len(text)
        case AgentMessage(_, body) | QmpEvent(_, _, body):
            return EVENT_BYTES + OBJECT_FACTOR * len(msgspec.json.encode(body))
        case _:
            return EVENT_BYTES


def as_gap(event: Event, of: str) -> Gap:
    """What stands for an event of channel `of` that is not kept."""
    match event:
        case Gap():
            return event
        case ConsoleData(t, text) | FirmwareData(t, text):
            return Gap(t, of, len(text), text.count("\n"))
        case _:
            return Gap(event.t, of, 1)


def joined(gap: Gap, later: Gap) -> Gap:
    """One gap for two that follow one another."""
    return Gap(gap.t, gap.of, gap.size + later.size, gap.newlines + later.newlines)


def console_text(event: Event) -> str:
    """What an event adds to the console's log: its text, or a line that says what is missing; "" for other channels."""
    match event:
        case ConsoleData(_, text):
            return text
        case Gap(_, "console", size, newlines):
            return f"\n<kexec-harness: {size} bytes with {newlines} newlines were read and are not kept>\n"
        case _:
            return ""
