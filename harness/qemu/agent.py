"""The agent channel's wire format: JSON texts behind a record separator (RFC 7464), scripts as base64 lines.

The channel is a serial port that firmware and boot loader may print on too, so everything that is not a
framed, complete JSON object is skipped. The guest is untrusted: sizes are bounded, contents are checked later.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from harness.model import CommandReply

RECORD_SEPARATOR = b"\x1e"
#: a longer line is not a report of ours (output of scripts is cut to 64 KiB by the agent)
MAX_LINE_BYTES = 1 << 20
#: a message is an object whose values are plain, or lists of plain values
MAX_NESTING = 8


class AgentDecoder:
    """Cuts a byte stream, in whatever pieces it comes, into the agent's messages.

    >>> AgentDecoder().feed(b'noise\\x1e{"type":"hello"}\\n')
    [{'type': 'hello'}]
    """

    def __init__(self) -> None:
        self._line = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Messages completed by `data`; anything else on the channel is dropped."""
        messages = []
        *complete, rest = data.split(b"\n")
        for piece in complete:
            self._keep(piece)
            message = _parse(bytes(self._line))
            self._line.clear()
            if message is not None:
                messages.append(message)
        self._keep(rest)
        return messages

    def held(self) -> int:
        """Bytes of an unfinished line."""
        return len(self._line)

    def _keep(self, piece: bytes) -> None:
        room = MAX_LINE_BYTES - len(self._line)
        self._line += piece[: max(0, room)]


def _parse(line: bytes) -> dict[str, Any] | None:
    _, separator, text = line.rpartition(RECORD_SEPARATOR)
    if not separator:
        return None
    try:
        message = msgspec.json.decode(text)
    except (ValueError, RecursionError):  # msgspec's DecodeError and Python's UnicodeDecodeError are ValueErrors
        return None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str) or not _is_shallow(message):
        return None
    return message


def _is_shallow(value: object, levels: int = MAX_NESTING) -> bool:
    """What is nested deeper than any message of the agent could be read here and not written elsewhere."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_is_shallow(item, levels - 1) for item in inner)


def encode_command(command_id: int, script: str) -> bytes:
    """One line for the agent: run `script`, answer with `command_id`."""
    return b"%d %s\n" % (command_id, base64.b64encode(script.encode()))


def parse_reply(body: dict[str, Any]) -> tuple[int, CommandReply] | None:
    """The command's id and what it gave, if `body` is a well-formed reply."""
    number, status, output = body.get("id"), body.get("status"), body.get("output")
    if body.get("type") != "reply" or not isinstance(number, int) or not isinstance(status, int):
        return None
    try:
        text = base64.b64decode(output if isinstance(output, str) else "", validate=True)
    except (binascii.Error, ValueError):
        return None
    return number, CommandReply(status, text.decode("utf-8", "replace"))
