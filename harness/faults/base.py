"""What a fault is: where it strikes, how it is injected, and what must be said of the reboot that it spoils."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct

from harness.model import Blame, FailureClass, Outcome, Stage


class Target(StrEnum):
    """What a fault is injected into."""

    LOAD = "load"
    SHUTDOWN = "shutdown"
    HANDOFF = "handoff"
    KERNEL = "kernel"
    USERSPACE = "userspace"
    DEVICE = "device"
    HOST = "host"
    QEMU = "qemu"


class Hands(Protocol):
    """What a fault may do to a machine. Every method raises MachineError if it cannot be done."""

    def guest(self, script: str) -> str:
        """Run a shell script in the guest that must end well; what it printed."""
        ...

    def qmp(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """Run a QMP command."""
        ...

    def monitor(self, line: str) -> str:
        """Run a line of QEMU's human monitor."""
        ...

    def signal(self, number: int) -> None:
        """Send QEMU a signal."""
        ...

    def cut_qmp(self) -> None:
        """Cut the connection to QEMU's control socket."""
        ...

    def patch(self, function: str, code: bytes) -> None:
        """Write machine code over a function of the running kernel, which has to be the one that the agent sees."""
        ...

    def write_memory(self, address: int, data: bytes) -> None:
        """Write to the guest's physical memory."""
        ...

    def overwrite_next_instruction(self, code: bytes) -> None:
        """Write machine code over what the first CPU would run next."""
        ...


class Reaction(Struct, frozen=True):
    """What the host does during the reboot, once, as soon as the console's text has `pattern` in it."""

    pattern: re.Pattern[str]
    action: Callable[[Hands, re.Match[str]], None]


class Fault(Struct, frozen=True, kw_only=True):
    """One way to spoil a reboot."""

    name: str
    #: what is done, in one line
    summary: str
    target: Target
    #: the class that the verdict must have; where several are right, the most telling one first. Empty: it must pass
    classes: tuple[FailureClass, ...]
    outcome: Outcome = Outcome.FAIL
    #: where and whose, if that is beyond doubt
    stage: Stage | None = None
    blame: Blame | None = None
    #: the reboot method it is injected into
    method: str = "kexec"
    #: guest script that runs before the method is armed
    prepare: str = ""
    #: guest script that runs after it is armed, right before the trigger
    sabotage: str = ""
    #: words added to the next kernel's command line (method `kexec` only)
    words: str = ""
    #: what the host does right before the trigger
    act: Callable[[Hands], None] | None = None
    reactions: tuple[Reaction, ...] = ()
    #: the release that must run afterwards, if not the same again
    kernel: str | None = None
    #: images that it can be injected into; empty: all of them
    images: tuple[str, ...] = ()
    #: belongs to everybody's tests
    quick: bool = False
    #: leaves a machine that cannot be put back: QEMU has ended, or has other devices than before
    spoils_machine: bool = False
