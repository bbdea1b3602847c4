"""Every error the harness raises on purpose, named by whose fault it is.

    HarnessError                 (has a message for people and an exit code)
    ├── ConfigError              the user asked for something that does not exist or does not fit
    ├── InfraError               this host cannot do it: a missing tool, no disk space, no mirror
    │   ├── ToolMissing          a program that the harness calls is not installed
    │   ├── NoSpace              the disk is full, or would be
    │   ├── Unsupported          this QEMU, firmware or kernel does not have what was asked for: a reason to skip
    │   ├── ImageError           an image could not be built, or is not what its checksum says
    │   └── MachineError         QEMU could not be started or does not answer
    │       ├── Refused          QEMU ended at once: it did not take its command line
    │       ├── GuestGone        the guest or QEMU went away while it was being talked to
    │       └── SystemDied       a system that had come up did not last until its next reboot
    └── StoreError               results on disk that cannot be read or written

What goes wrong *inside* a guest is never an exception: it is a verdict (`harness.model.Verdict`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


class HarnessError(Exception):
    """Base of the tree. `exit_code` follows pytest: 3 is an internal or infrastructure error."""

    exit_code = 3


class ConfigError(HarnessError):
    """A wrong setting. Says what was wrong, where it came from and, in `mend`, what to do."""

    exit_code = 4

    def __init__(
        self,
        problem: str,
        *,
        file: Path | None = None,
        line: int | None = None,
        key: str | None = None,
        mend: str | None = None,
    ) -> None:
        place = ":".join(str(part) for part in (file, line) if part is not None)
        subject = ": ".join(part for part in (place, key) if part)
        text = f"{subject}: {problem}" if subject else problem
        super().__init__(f"{text}\n  {mend}" if mend else text)
        self.file, self.line, self.key, self.mend = file, line, key, mend


class InfraError(HarnessError):
    """This host cannot do what was asked."""

    def __init__(self, problem: str, *, mend: str | None = None) -> None:
        super().__init__(f"{problem}\n  {mend}" if mend else problem)
        self.mend = mend


class ToolMissing(InfraError):
    """A program is not installed."""

    def __init__(self, tool: str, package: str | None = None) -> None:
        mend = f"install it: apt-get install {package}" if package else "install it, or run: make setup"
        super().__init__(f"{tool}: no such program on this host", mend=mend)
        self.tool, self.package = tool, package


class NoSpace(InfraError):
    """The disk is full, or would be."""


class Unsupported(InfraError):
    """This QEMU, firmware or kernel does not have what a cell needs; whatever asked for it is skipped, and says why."""


class ImageError(InfraError):
    """An image could not be built, or is not what its checksum says."""


class MachineError(InfraError):
    """QEMU could not be started or does not answer."""


class Refused(MachineError):
    """QEMU ended before its machine was there; `said` is what it printed."""

    def __init__(self, said: str) -> None:
        super().__init__(f"QEMU ended at once; it said: {said or '(nothing)'}")
        self.said = said


class GuestGone(MachineError):
    """The guest or QEMU went away while it was being talked to."""


class SystemDied(MachineError):
    """A system that had come up did not last until its next reboot was asked for.

    `events` are those which had been taken from the machine by then.
    """

    def __init__(self, problem: str, events: Sequence[Any] = ()) -> None:
        super().__init__(problem)
        self.events = tuple(events)


class StoreError(HarnessError):
    """Results on disk that cannot be read or written."""
