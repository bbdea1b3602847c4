"""A guest for scenarios: boot it, run scripts in it, reboot it and get a judged cycle."""

from __future__ import annotations

from collections.abc import Mapping

from harness.campaign.plan import nonce_of
from harness.classify.milestones import Progress
from harness.cycle import CycleResult, Deadlines, Running, run_cycle, watch
from harness.devices.base import DeviceSet
from harness.errors import MachineError
from harness.model import Cell, CommandReply, Event, Verdict
from harness.qemu.machine import Machine
from harness.reboot.base import Method
from harness.registry import lookup


class Guest:
    """One machine under the hands of a scenario; whoever made the machine closes it."""

    def __init__(
        self, machine: Machine, cell: Cell, device_set: DeviceSet, methods: Mapping[str, Method], seed: int
    ) -> None:
        self.machine = machine
        self.cell = cell
        self._device_set = device_set
        self._methods = methods
        self._seed = seed
        self._deadlines = Deadlines()
        self._running: Running | None = None
        #: every event since power-on, as far as it has been taken
        self.events: list[Event] = []
        #: every cycle so far, with its evidence
        self.cycles: list[CycleResult] = []

    def boot(self) -> None:
        """Power on, and wait until the guest is ready. Raises MachineError if it does not come up."""
        self.machine.power_on()
        watched = watch(self.machine, Progress(None), self._deadlines)
        self.events += watched.events
        if watched.progress.ready is None:
            last = watched.progress.last
            raise MachineError(f"the guest did not come up; the last milestone was {last.value if last else 'none'}")
        self._running = Running.from_report(watched.progress.ready)

    def run(self, script: str, timeout: float = 120.0) -> CommandReply:
        """Run a shell script as root; its exit status and output (64 KiB at most).

        Raises MachineError if the guest does not answer within `timeout` seconds.
        """
        return self.machine.run(script, purpose="scenario", timeout=timeout)

    @property
    def boot_id(self) -> str:
        """The id of the boot that is running. Raises MachineError if none is, after a failed reboot."""
        return self._up().boot_id

    def reboot(self, method: str | Method) -> Verdict:
        """Reboot once and judge it, exactly as a campaign does; by a method's name, or by one of the scenario's own.

        Raises ConfigError for an unknown method, MachineError if the guest is not up.
        """
        cycle = run_cycle(
            self.machine,
            self.cell,
            method if isinstance(method, Method) else lookup(self._methods, method, "method"),
            self._device_set,
            nonce=nonce_of(self._seed, self.cell.cell_id, len(self.cycles)),
            before=self._up(),
            deadlines=self._deadlines,
        )
        self.cycles.append(cycle)
        self.events += cycle.events
        self._running = cycle.running
        return cycle.judgement.verdict

    def _up(self) -> Running:
        if self._running is None:
            raise MachineError("the guest is not up: its last reboot did not come back")
        return self._running
