"""Keeping a trial's console as test data: a header with the verdict that its text alone gets, then the bytes."""

from __future__ import annotations

from pathlib import Path

from harness.classify.recorded import judged_fields, parse, render
from harness.faults.base import Fault
from harness.model import Event
from harness.model.sizes import console_text
from harness.selftest.trial import Trial

#: of the boot before, as much as one sees on looking back
BEFORE_BYTES = 8 << 10
MAX_BYTES = 200 << 10


def record(folder: Path, trial: Trial, fault: Fault, before: str, events: list[Event]) -> Path:
    """Write `<class>/<image>-<fault>.log`, by the class that the text alone is given.

    `before` is what the console said until the machine was put back. Whoever takes the file into the test data has to
    see that this class is right: not every failure can be told from text.
    """
    text = "".join(map(console_text, events))
    console = (before[-BEFORE_BYTES:] + text).encode("latin-1")[:MAX_BYTES]
    name = Path(f"{trial.image}-{fault.name}.log")
    given = {
        "expect": "firmware" if fault.method == "cold" else "kexec",
        "source": f"recorded by the self-test, {trial.image}: {fault.summary}",
    }
    content = render(console, given, name)
    fields = judged_fields(parse(content, name))
    path = folder / fields.get("class", fields["outcome"]) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
