"""A virtual machine under test: what the harness asks of one, and its implementation on QEMU."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import pexpect.socket_pexpect
from msgspec import Struct

from harness.clock import Clock, Deadline
from harness.errors import MachineError
from harness.model import CommandReply, CommandSent, Event
from harness.qemu.argv import MachineSpec, build, flatten
from harness.qemu.folder import PrivateFolder
from harness.qemu.helpers import Helpers
from harness.qemu.process import QemuProcess, ThreadTime
from harness.qemu.qmp import Exchange
from harness.qemu.watcher import Watcher

SCRIPT_TIMEOUT_S = 120.0
#: a gigabyte of memory to a busy host's disk
SNAPSHOT_TIMEOUT_S = 120.0


class Monitor(Protocol):
    """QEMU's monitor: what a machine is told and asked past its guest."""

    def execute(self, command: str, arguments: dict[str, Any] | None = None, *, timeout: float = ...) -> Any:
        """Run a QMP command, which may take `timeout` seconds. Raises GuestGone or MachineError."""
        ...

    def monitor(self, line: str, cpu: int | None = None) -> str:
        """Run a line of the human monitor, about this CPU; its output. Raises GuestGone or MachineError."""
        ...


#: purpose of the command that asks for nothing but an answer
ALIVE = "alive"


class Inspection(Struct, frozen=True, kw_only=True):
    """What somebody needs who wants to look into a machine in trouble."""

    qemu: Path
    spec: MachineSpec
    #: the end of what QEMU printed
    stderr: str
    #: everything that passed over QMP, in order, as far as it is kept
    exchanges: list[Exchange]
    #: None once QEMU has ended
    monitor: Monitor | None


class Machine(Protocol):
    """What a cycle needs of a machine; `QemuMachine` and `ReplayMachine` give it."""

    @property
    def clock(self) -> Clock:
        """The clock that stamps this machine's events."""
        ...

    def power_on(self) -> None:
        """Start the guest through its firmware. Raises MachineError if that cannot be done."""
        ...

    def next_event(self, deadline: Deadline) -> Event | None:
        """The next thing that arrived on any channel, or None once the deadline has passed."""
        ...

    def run(self, script: str, *, purpose: str = "script", timeout: float = SCRIPT_TIMEOUT_S) -> CommandReply:
        """Run a shell script in the guest, as root. Raises GuestGone or MachineError (no answer in time)."""
        ...

    def send(self, script: str, *, purpose: str) -> CommandSent:
        """Start a shell script in the guest without waiting for it. Raises GuestGone."""
        ...

    def ping(self) -> None:
        """Ask the agent for a sign of life, which comes as an event if it comes."""
        ...

    def answers(self) -> bool:
        """Whether the guest's agent answers; waits for it as `run` does."""
        ...

    def hold_resets(self) -> None:
        """From now on stand still before a reset, or when switched off by the guest. Raises GuestGone."""
        ...

    def release_reset(self) -> None:
        """Carry out the reset that is held; later ones are not held."""
        ...

    def let_resets_go(self) -> None:
        """No longer hold any."""
        ...

    def vcpu_time(self) -> ThreadTime | None:
        """CPU and waiting seconds of the vCPU threads since power-on, where the host accounts for them."""
        ...

    def inspect(self) -> Inspection | None:
        """What it takes to look into this machine, running or not; None for a recording, which has no inside."""
        ...

    def close(self) -> None:
        """End the machine and remove what it left behind. May be called twice."""
        ...


class QemuMachine:
    """A machine run by QEMU."""

    def __init__(self, qemu: Path, spec: MachineSpec, folder: PrivateFolder, clock: Clock) -> None:
        """`folder` is the one that `spec` names, and goes with the machine."""
        self.clock = clock
        self.spec = spec
        self._folder = folder
        self.argv = [str(qemu), *flatten(build(spec))]
        self._watcher = Watcher(clock, spec.folder, spec.echoes)
        self._process: QemuProcess | None = None
        self._helpers = Helpers(spec.helpers, spec.folder, clock)
        self._vcpu_threads: list[int] = []

    def power_on(self) -> None:
        self.assemble()
        self._watcher.execute("cont")
        if self._process is not None:
            self._watcher.sample(self._process, self._vcpu_threads)

    def assemble(self) -> None:
        """Start QEMU with all that the machine has, and its guest not yet running.

        Raises Refused if QEMU does not take the machine, MachineError for other trouble.
        """
        self._helpers.start()
        self._watcher.listen()
        self._process = QemuProcess(self.argv, self.spec.folder)
        self._watcher.connect(self._process)
        cpus = self._watcher.execute("query-cpus-fast")
        self._vcpu_threads = [int(cpu["thread-id"]) for cpu in cpus]

    def next_event(self, deadline: Deadline) -> Event | None:
        return self._watcher.events.get(deadline)

    def run(self, script: str, *, purpose: str = "script", timeout: float = SCRIPT_TIMEOUT_S) -> CommandReply:
        return self._watcher.run(script, purpose, timeout)

    def send(self, script: str, *, purpose: str) -> CommandSent:
        return self._watcher.send(script, purpose)

    def answers(self) -> bool:
        try:
            self.run(":", purpose=ALIVE)
        except MachineError:
            return False
        return True

    def ping(self) -> None:
        with suppress(MachineError):
            self._watcher.send(":", "ping")

    def hold_resets(self) -> None:
        self._watcher.execute("set-action", {"reboot": "shutdown", "shutdown": "pause"})

    def release_reset(self) -> None:
        self.let_resets_go()
        with suppress(MachineError):
            self._watcher.execute("system_reset")
            self._watcher.execute("cont")

    def let_resets_go(self) -> None:
        with suppress(MachineError):
            self._watcher.execute("set-action", {"reboot": "reset", "shutdown": "poweroff"})

    def console(self) -> pexpect.socket_pexpect.SocketSpawn:
        """The guest's console as a pexpect spawn: `sendline`, `expect`. What it printed before is not in it."""
        return self._watcher.tap_console().spawn

    def execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """Run a QMP command. Raises GuestGone, or MachineError if QEMU refuses or does not answer."""
        return self._watcher.execute(command, arguments)

    def monitor(self, line: str) -> str:
        """Run a line of QEMU's human monitor; what it printed, which may be an error. Raises as `execute`."""
        return self._watcher.monitor(line)

    def save(self, snapshot: str) -> None:
        """Keep memory, devices and disks as they are now, inside the root disk. Raises MachineError."""
        self._snapshot(f"savevm {snapshot}")

    def restore(self, snapshot: str) -> None:
        """Put the machine back to what `save` kept, running. Raises MachineError."""
        self.let_resets_go()
        # One that was shut down would not go on without a reset.
        self._watcher.execute("system_reset")
        self._snapshot(f"loadvm {snapshot}")
        self._watcher.execute("cont")

    def _snapshot(self, line: str) -> None:
        command = {"command-line": line}
        said = str(self._watcher.execute("human-monitor-command", command, timeout=SNAPSHOT_TIMEOUT_S)).strip()
        if said:
            raise MachineError(f"QEMU could not carry out '{line}': {said}")

    def wait(self) -> None:
        """Wait for QEMU to end, after it was told to."""
        if self._process is not None:
            self._process.wait()

    @property
    def pid(self) -> int | None:
        """Process id of QEMU; None before power-on."""
        return self._process.pid if self._process else None

    @property
    def held_up_s(self) -> float:
        """Seconds for which the guest had to wait because its output came faster than the harness reads."""
        return self._watcher.events.held_up_s

    def vcpu_time(self) -> ThreadTime | None:
        return self._process.thread_time(self._vcpu_threads) if self._process else None

    def inspect(self) -> Inspection:
        exchanges: list[Exchange] = []
        if self._process is not None:
            with suppress(MachineError):
                exchanges = self._watcher.exchanges()
        return Inspection(
            qemu=Path(self.argv[0]),
            spec=self.spec,
            stderr=self._process.stderr() if self._process else "",
            exchanges=exchanges,
            monitor=self._watcher if self._process and self._process.running() else None,
        )

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
        self._watcher.close()
        if self._process is not None:
            self._process.close()
        self._helpers.close()
        self._folder.remove()
