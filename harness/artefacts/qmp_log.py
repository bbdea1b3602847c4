"""Everything that passed over QMP, as JSON Lines: events, commands and what they gave, each with its time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from harness.artefacts.case import Case, NotTaken
from harness.model import ProcessExit, QmpEvent
from harness.qemu.qmp import MAX_LOG_ENTRIES, Exchange

NAME = "qmp.jsonl"
SUMMARY = "QMP: every event and command, with its time on the machine's clock"
#: a longer entry, such as the text of all registers, is cut
MAX_ENTRY_BYTES = 16_384


def take(case: Case) -> list[str]:
    """Write qmp.jsonl: from QEMU's session, or from a recording's events. Raises NotTaken if there is nothing."""
    exchanges = case.inspection.exchanges if case.inspection is not None else list(_recorded(case))
    if not exchanges:
        raise NotTaken("nothing passed over QMP")
    (case.folder / NAME).write_bytes(b"".join(lines(exchanges)))
    if len(exchanges) >= MAX_LOG_ENTRIES:
        return [f"only the newest {MAX_LOG_ENTRIES} entries"]
    return []


def lines(exchanges: Iterable[Exchange]) -> Iterator[bytes]:
    """One JSON object for each entry: `t` (seconds), `kind`, `name`, `data`."""
    for entry in exchanges:
        line = msgspec.json.encode(entry)
        if len(line) > MAX_ENTRY_BYTES:
            cut = f"{len(line)} bytes, left out"
            line = msgspec.json.encode(Exchange(entry.t, entry.kind, entry.name, cut))
        yield line + b"\n"


def _recorded(case: Case) -> Iterator[Exchange]:
    for event in case.events:
        if isinstance(event, QmpEvent):
            yield Exchange(event.t, "event", event.name, event.data)
        elif isinstance(event, ProcessExit):
            yield Exchange(event.t, "event", "(QEMU ended)", {"status": event.status, "stderr": event.stderr})
