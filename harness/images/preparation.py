"""The boot in which a disk of the user's own is made a guest: watched from the seed disk to the power-off.

The guest's script (images/own-disk/prepare) says by messages how far it is, what went wrong, and which kernel the next
boot starts. All of it is untrusted: sizes are bounded, and nothing is shown but printable characters.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from msgspec import Struct

from harness.clock import Deadline
from harness.errors import ImageError
from harness.images.seed import LABEL, SEED_READ
from harness.model import AgentMessage, ConsoleData, Event, ProcessExit
from harness.qemu.machine import Machine

#: seconds for all of it: cloud images under emulation take five minutes and more
DEADLINE_S = 1800.0
#: for cloud-init, once there is a prompt for a login; it starts long before that
GRACE_S = 120.0
#: for the power-off, once everything is done
POWER_OFF_S = 300.0
#: of the console, as many characters are kept, and as many lines shown
KEPT, SHOWN = 1 << 20, 12
LOGIN = re.compile(r"login: $")
PANIC = re.compile(r"Kernel panic - not syncing[^\r\n]*")
#: where the kernel's console must be for the harness to see it
CONSOLE = "console=ttyS0"
MAX_HANDED_BYTES = 1 << 30


class Prepared(Struct, frozen=True, kw_only=True):
    """What the guest said at the end."""

    #: what the system calls itself
    system: str
    #: of the kernel and the initrd that it has handed over
    kernel_bytes: int
    initrd_bytes: int
    #: the next boot's
    cmdline: str
    #: why kexec-load would not kexec at the next reboot; None if it would
    stands_aside: str | None


class Stage(StrEnum):
    """How far a guest is."""

    BOOTING = "booting"
    #: it waits for somebody to log in, and cloud-init has not said a word
    AT_PROMPT = "at a prompt"
    AT_WORK = "at work"
    PREPARED = "prepared"


#: stages that have a time limit of their own, seconds
LIMITS_S = {Stage.AT_PROMPT: GRACE_S, Stage.PREPARED: POWER_OFF_S}


class _Watched:
    """What has been seen so far."""

    def __init__(self, name: str, progress: Callable[[str], None]) -> None:
        self.console = ""
        self.step: str | None = None
        self.prepared: Prepared | None = None
        self.ended = False
        self._has_prompt = False
        self._name = name
        self._progress = progress

    def add(self, event: Event) -> None:
        """Take one event. Raises ImageError for one that is the end of it."""
        match event:
            case ConsoleData():
                self.console = (self.console + event.text)[-KEPT:]
                self._has_prompt = self._has_prompt or LOGIN.search(self.console[-200:]) is not None
                if found := PANIC.search(self.console):
                    raise self.error(f"its kernel panicked: {printable(found[0])}")
            case AgentMessage():
                self._hear(event.body)
            case ProcessExit():
                self.ended = True
                if event.status != 0:
                    raise self.error(f"QEMU ended with status {event.status}: {printable(event.stderr)}")
            case _:
                pass

    def _hear(self, body: dict[str, Any]) -> None:
        match body:
            case {"type": "step", "step": str(step)}:
                self.step = printable(step)
                self._progress(f"{self._name}: {self.step}")
            case {"type": "failed", "step": str(step)}:
                problem, output = printable(str(body.get("problem", ""))), _decoded(body.get("output"))
                said = f"; the end of what was said:\n{_indented(output)}" if output.strip() else ""
                raise ImageError(
                    f"{self._name} cannot be prepared: {problem or printable(step)} ({printable(step)}){said}",
                    mend=_mend(problem),
                )
            case {"type": "prepared"}:
                self.prepared = _read(body)
                if self.prepared is None:
                    raise self.error("its last message makes no sense")

    @property
    def stage(self) -> Stage:
        """How far the guest is."""
        if self.prepared is not None:
            return Stage.PREPARED
        if self.step is not None:
            return Stage.AT_WORK
        return Stage.AT_PROMPT if self._has_prompt else Stage.BOOTING

    def error(self, problem: str, mend: str | None = None) -> ImageError:
        """An error with the end of what the console said."""
        last = [line for line in self.console.splitlines() if line.strip()][-SHOWN:]
        said = f"; the console said last:\n{_indented(chr(10).join(last))}" if last else "; the console said nothing"
        return ImageError(f"{self._name} cannot be prepared: {problem}{said}", mend=mend)


def watch_preparation(
    machine: Machine,
    name: str,
    progress: Callable[[str], None],
    *,
    record: Callable[[str], object] = lambda _: None,
    deadline_s: float = DEADLINE_S,
) -> Prepared:
    """Watch a machine that has been switched on, until it has switched itself off, prepared.

    `record` gets what the console says, its first MiB. Raises ImageError, which names what cloud-init, the script or
    the machine said.
    """
    watched = _Watched(name, progress)
    stage, whole = watched.stage, Deadline.after(machine.clock, deadline_s)
    limit, recorded = whole, 0
    while not watched.ended:
        event = machine.next_event(limit)
        if event is None:
            raise _too_late(watched, deadline_s)
        if isinstance(event, ConsoleData) and recorded < KEPT:
            recorded += len(event.text)
            record(event.text)
        watched.add(event)
        if watched.stage is not stage:
            stage = watched.stage
            limit = Deadline.after(machine.clock, LIMITS_S[stage]) if stage in LIMITS_S else whole
    if watched.prepared is None:
        raise watched.error(f"it switched itself off before it was done{_after(watched.step)}")
    if CONSOLE not in watched.prepared.cmdline:
        problem = f"its next boot would not have the console on the serial port: {watched.prepared.cmdline}"
        raise watched.error(problem, mend=f"add {CONSOLE},115200 to its boot loader's configuration")
    return watched.prepared


def _too_late(watched: _Watched, deadline_s: float) -> ImageError:
    needs = f"it needs cloud-init, in service, with NoCloud (the disk {LABEL}) among its data sources"
    match watched.stage:
        case Stage.PREPARED:
            return watched.error(f"it did not switch itself off within {POWER_OFF_S:.0f} s")
        case Stage.AT_WORK:
            return watched.error(f"it was not done after {deadline_s:.0f} s{_after(watched.step)}")
        case Stage.AT_PROMPT:
            return watched.error("the system came up, and its cloud-init has not read the seed disk", needs)
        case _:
            return watched.error(f"no cloud-init has read the seed disk within {deadline_s:.0f} s", needs)


def _after(step: str | None) -> str:
    if step is None or step == SEED_READ:
        return ""
    return f", while it was at this: {step}"


def _mend(problem: str) -> str | None:
    if "kexec-tools" not in problem:
        return None
    return (
        "install it in the image (virt-customize -a IMAGE --install kexec-tools), "
        "or write a recipe with network = true (docs/images.md)"
    )


def _read(body: dict[str, Any]) -> Prepared | None:
    """The last message, if it is one that can be used."""
    following = body.get("next")
    foreseen = following if isinstance(following, dict) else {}
    sizes = [body.get("kernel_bytes"), body.get("initrd_bytes")]
    if not all(isinstance(size, int) and 0 <= size <= MAX_HANDED_BYTES for size in sizes):
        return None
    kernel, initrd = (int(str(size)) for size in sizes)
    kexec = foreseen.get("kexec") is True
    cmdline = foreseen.get("command_line") if kexec else _without_loader(str(body.get("cmdline", "")))
    reason = printable(str(foreseen.get("reason", "kexec-load does not answer")))
    return Prepared(
        system=printable(str(body.get("system", ""))).strip("\"'"),
        kernel_bytes=kernel,
        initrd_bytes=initrd,
        cmdline=printable(str(cmdline)),
        stands_aside=None if kexec else reason,
    )


def _without_loader(cmdline: str) -> str:
    """The running kernel's command line without what its boot loader has added."""
    return " ".join(word for word in cmdline.split() if not word.startswith(("BOOT_IMAGE=", "initrd=")))


def _decoded(output: object) -> str:
    try:
        return base64.b64decode(output if isinstance(output, str) else "", validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def printable(text: str) -> str:
    """The text on one line, without characters that would do something to a terminal, 2000 of them at most."""
    return "".join(character if character.isprintable() else "?" for character in text.strip())[:2000]


def _indented(text: str) -> str:
    return "\n".join(f"    {printable(line)[:300]}" for line in text.strip().splitlines()[-SHOWN:])
