"""A machine that reboots in no time, and fails as often as a test wants it to: the events of tests/reboots.py."""

from __future__ import annotations

import random
import re
from collections import deque

from msgspec import structs
from reboots import BOOT, JUMP, SHUTDOWN, THROUGH_FIRMWARE, ready, text

from harness.clock import Deadline, ManualClock
from harness.model import CommandReply, CommandSent, Event

#: seconds of simulated time between the start of one cycle and of the next
CYCLE_S = 60.0
#: times in tests/reboots.py start here
ORIGIN_S = 100.0


class SimulatedMachine:
    """`failing` maps a reboot method to the share of its reboots that end in a kernel panic; so does every fault.

    Its systemd is too old for a method that has to be asked for.
    """

    def __init__(self, clock: ManualClock, rng: random.Random, failing: dict[str, float]) -> None:
        self.clock = clock
        self._rng, self._failing = rng, failing
        self._events: deque[Event] = deque()
        self._method, self._nonce, self._boots = "cold", "0" * 16, 0
        self._spoilt = False
        #: release of the kernel that the next boot starts
        self._kernel = "6.12.0-default"

    def power_on(self) -> None:
        self._boot([*BOOT, ready(110.0, nonce="")])

    def next_event(self, deadline: Deadline) -> Event | None:
        if not self._events or self._events[0].t > deadline.at:
            self.clock.advance_to(deadline.at)
            return None
        event = self._events.popleft()
        self.clock.advance_to(event.t)
        return event

    def run(self, script: str, *, purpose: str = "script", timeout: float = 120.0) -> CommandReply:
        self._spoilt |= purpose == "fault"
        if purpose == "arm":
            self._method = "kexec" if "unskip" in script else "cold"
            self._nonce = (re.findall(r"\b[0-9a-f]{16}\b", script) or ["setup"])[0]
        if purpose == "kernel":
            self._kernel = re.findall(r"^release=(\S+)$", script, re.MULTILINE)[0]
        if purpose == "method":
            return CommandReply(0, "systemd 252 has no soft-reboot\n")
        if purpose == "device-baseline" and "ne2k-pci" in script:
            return CommandReply(0, "lacks ne2k-pci 6.1.0-50-cloud-amd64\n")
        return CommandReply(0, "ok driver bound\n" if purpose == "device-after" else "")

    def send(self, script: str, *, purpose: str) -> CommandSent:
        sent = CommandSent(ORIGIN_S, 5, purpose, script)
        way = JUMP if self._method == "kexec" else THROUGH_FIRMWARE
        spoilt, self._spoilt = self._spoilt, False
        if spoilt or self._rng.random() < self._failing.get(self._method, 0.0):
            panic = text(111.0, "[    2.600000] Kernel panic - not syncing: VFS: Unable to mount root fs")
            self._boot([sent, *SHUTDOWN, *way, *BOOT[:2], panic])
        else:
            proof = {"bootloader_type": 208, "cmdline_nonce": self._nonce} if self._method == "kexec" else {}
            self._boot([sent, *SHUTDOWN, *way, *BOOT, ready(120.0, nonce=self._nonce, **proof)])
        return sent

    def hold_resets(self) -> None:
        """Nothing here is reset by mistake."""

    def release_reset(self) -> None:
        """Nor held."""

    def let_resets_go(self) -> None:
        """Nor let go."""

    def answers(self) -> bool:
        return True

    def ping(self) -> None:
        """A dead system does not answer."""

    def vcpu_time(self) -> None:
        return None

    def inspect(self) -> None:
        """There is no QEMU to be asked."""

    def close(self) -> None:
        self._events.clear()

    def _boot(self, events: list[Event]) -> None:
        """Have these events happen from now on, as a new boot."""
        self._boots += 1
        shift = self.clock.monotonic() - ORIGIN_S
        for event in events:
            moved = structs.replace(event, t=event.t + shift)
            if hasattr(moved, "body"):
                boot = f"boot-{id(self)}-{self._boots}"
                body = {**moved.body, "boot_id": boot, "kernel_release": self._kernel}
                moved = structs.replace(moved, body=body)
            self._events.append(moved)
