"""A guest for scenarios: boot it, run scripts in it, reboot it and get a judged cycle."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping
from contextlib import suppress

from harness.campaign.plan import nonce_of
from harness.classify.milestones import Progress
from harness.clock import Deadline
from harness.cycle import CycleResult, Running, Usual, change_kernel, drain, run_cycle, watch
from harness.deadlines import Deadlines
from harness.device_checks import list_devices, plug_devices
from harness.devices.base import DeviceSet
from harness.devices.inventory import Inventory
from harness.errors import MachineError
from harness.model import BootPath, Cell, CommandReply, ConsoleData, Event, ProcessExit, Verdict
from harness.qemu.machine import Machine
from harness.reboot.base import Method
from harness.recording import Recording
from harness.registry import lookup

#: of a file that is put into a guest, as many bytes as one script takes: the agent's shell gets it as one argument, and
#: the kernel allows 128 KiB for one (MAX_ARG_STRLEN, execve(2))
PIECE_BYTES = 48 << 10


class Guest:
    """One machine under the hands of a scenario; whoever made the machine closes it."""

    def __init__(
        self,
        machine: Machine,
        cell: Cell,
        device_set: DeviceSet,
        methods: Mapping[str, Method],
        seed: int,
        *,
        emulated: bool = False,
    ) -> None:
        self.machine = machine
        self.cell = cell
        self._device_set = device_set
        self._methods = methods
        self._seed = seed
        self._deadlines = Deadlines(emulated=emulated)
        self._running: Running | None = None
        #: the devices before the first reboot
        self._devices: Inventory | None = None
        #: every event since power-on, as far as it has been taken
        self.events: list[Event] = []
        #: every cycle so far, with its evidence
        self.cycles: list[CycleResult] = []

    def boot(self) -> None:
        """Power on, and wait until the guest is ready. Raises MachineError if it does not come up."""
        self.machine.power_on()
        self.wait_until_up()

    def change_kernel(self, release: str) -> None:
        """Reboot into another kernel of the image, cold and unjudged. Raises MachineError as `boot`."""
        before = self.boot_id
        change_kernel(self.machine, release)
        self._wait(Progress(before))
        if self.kernel != release:
            raise MachineError(f"{release} was to run, and it is {self.kernel}")

    def wait_until_up(self) -> None:
        """Wait for a boot that is under way, such as the one after a failed reboot. Raises MachineError as `boot`."""
        self._wait(Progress(None))

    def _wait(self, progress: Progress) -> None:
        watched = watch(self.machine, progress, self._deadlines)
        self.events += watched.events
        if watched.progress.ready is None:
            last = watched.progress.last
            raise MachineError(f"the guest did not come up; the last milestone was {last.value if last else 'none'}")
        self._deadlines.learn(watched.progress.at, BootPath.FIRMWARE)
        self._running = Running.from_report(watched.progress.ready)

    def run(self, script: str, timeout: float = 120.0) -> CommandReply:
        """Run a shell script as root; its exit status and output (64 KiB at most).

        Raises MachineError if the guest does not answer within `timeout` seconds.
        """
        return self.machine.run(script, purpose="scenario", timeout=timeout)

    def put(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """Write a file in the guest; it has its name when it is whole. Raises MachineError if that fails."""
        target, part = shlex.quote(path), shlex.quote(f"{path}.part")
        pieces = [content[at : at + PIECE_BYTES] for at in range(0, len(content), PIECE_BYTES)]
        scripts = [
            f"rm -f {part} && : >{part}",
            *(f"base64 -d >>{part} <<'END'\n{base64.encodebytes(piece).decode('ascii')}END\n" for piece in pieces),
            f"chmod {mode:o} {part} && mv {part} {target}",
        ]
        for script in scripts:
            reply = self.run(script)
            if reply.status != 0:
                raise MachineError(f"{path} could not be written in the guest: {reply.output.strip()[:400]}")

    @property
    def last_console(self) -> str:
        """What the console printed during the last reboot, from its trigger to its end."""
        return "".join(event.text for event in self.cycles[-1].evidence.events if isinstance(event, ConsoleData))

    def unread_events(self) -> list[Event]:
        """What has arrived since the last boot, reboot or end was watched; nobody else gets it any more."""
        return drain(self.machine)

    @property
    def is_up(self) -> bool:
        """Whether the last boot or reboot came up."""
        return self._running is not None

    @property
    def kernel(self) -> str:
        """The release of the running kernel, as `uname -r` gives it. Raises MachineError as `boot_id`."""
        return self._up().kernel

    @property
    def boot_id(self) -> str:
        """The id of the boot that is running. Raises MachineError if none is, after a failed reboot."""
        return self._up().boot_id

    def reboot(self, method: str | Method, *, kernel: str | None = None) -> Verdict:
        """Reboot once and judge it, exactly as a campaign does; by a method's name, or by one of the scenario's own.

        `kernel` is the release that must run afterwards; None: the one that runs now.
        Raises ConfigError for an unknown method, MachineError if the guest is not up.
        """
        before = self._up()
        if self._devices is None:
            self._list_devices(before)
        cycle = run_cycle(
            self.machine,
            self.cell,
            method if isinstance(method, Method) else lookup(self._methods, method, "method"),
            self._device_set,
            nonce=nonce_of(self._seed, self.cell.cell_id, len(self.cycles)),
            before=before,
            deadlines=self._deadlines,
            kernel_expected=kernel,
            usual=Usual(devices=self._devices),
        )
        self.cycles.append(cycle)
        self.events += cycle.events
        self._running = cycle.running
        if cycle.running is not None:
            self._deadlines.learn(cycle.judgement.milestones, cycle.judgement.verdict.path)
        return cycle.judgement.verdict

    def _list_devices(self, running: Running) -> None:
        """What is there before the first reboot; a recording of an older harness does not tell."""
        with suppress(MachineError):
            plug_devices(self.machine, self._device_set)
            self._devices = list_devices(self.machine, self._device_set, running.kernel)

    def end(self, script: str, *, last_words: str, timeout: float = 300.0) -> str:
        """Run a script that ends this system for good, and give what the console said from then on.

        It is over when QEMU ends or the console has `last_words` in it. Of a console that does not stop
        talking, the first and the last megabytes are kept.
        Raises MachineError if neither happens within `timeout` seconds.
        """
        self.machine.send(script, purpose="end")
        self._running = None
        deadline = Deadline.after(self.machine.clock, timeout)
        recording, line, over = Recording(), "", False
        while not over and (event := self.machine.next_event(deadline)) is not None:
            recording.add(event)
            if isinstance(event, ConsoleData):
                line += event.text
                over = last_words in line
                line = line[-len(last_words) :]
            over |= isinstance(event, ProcessExit)
        kept = recording.events()
        self.events += kept
        said = "".join(event.text for event in kept if isinstance(event, ConsoleData))
        if not over:
            raise MachineError(f"the system did not end within {timeout:.0f} s; it said last: {said[-400:]!r}")
        return said

    def _up(self) -> Running:
        if self._running is None:
            raise MachineError("the guest is not up: its last reboot did not come back")
        return self._running
