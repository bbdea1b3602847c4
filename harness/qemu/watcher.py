"""The one watcher of a machine: every channel read in one event loop, stamped on arrival with one clock.

    QMP, console, agent, firmware debug port, echo service, end of the process
        -> events in the order of their arrival -> the queue that the cycle reads

Nothing is polled. The harness listens on a socket per channel and QEMU connects when it starts; the console is a pair
of FIFOs. Its bytes are gathered when they come close upon each other; what comes on other channels stays behind them.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from harness.clock import Clock
from harness.errors import GuestGone, MachineError, Refused
from harness.model import (
    AgentMessage,
    CommandReply,
    CommandSent,
    ConsoleData,
    Event,
    FirmwareData,
    Heartbeat,
    ProcessExit,
    QmpEvent,
)
from harness.qemu.agent import AgentDecoder, encode_command, parse_reply
from harness.qemu.argv import CONSOLE, SOCKETS, sockets
from harness.qemu.backlog import Backlog
from harness.qemu.console import ConsoleTap
from harness.qemu.echo import Echo
from harness.qemu.fifos import READ_BYTES, Fifos
from harness.qemu.heartbeat import HeartbeatSampler
from harness.qemu.process import QemuProcess
from harness.qemu.qmp import COMMAND_TIMEOUT_S, Exchange, Qmp

#: QEMU hands a serial port's bytes on one at a time: more of them are waited for so long before the next reading
GATHER_S = 0.005
CONNECT_TIMEOUT_S = 20.0
#: after QEMU ended, how long its sockets may take to give up what is still in them
DRAIN_S = 1.0

T = TypeVar("T")


class Watcher:
    """Owns the event loop's thread and the sockets. Methods are called from the harness's own thread."""

    def __init__(self, clock: Clock, folder: Path, echoes: int = 1) -> None:
        """`echoes`: how many echo services the machine has."""
        self.gone = threading.Event()
        self._clock = clock
        self._folder = folder
        self._files = sockets(echoes)
        self._loop = asyncio.new_event_loop()
        self.events = Backlog(self._loop)
        self._thread = threading.Thread(target=self._loop.run_forever, name="watcher", daemon=True)
        self._qmp = Qmp(lambda name, data: self._put(QmpEvent(self._now(), name, data)), self._now)
        self._listeners: dict[str, socket.socket] = {}
        self._sockets: dict[str, socket.socket] = {}
        self._console = Fifos(self._loop)
        self._readers: list[asyncio.Task[None]] = []
        self._replies: dict[int, asyncio.Future[CommandReply]] = {}
        self._taps: list[ConsoleTap] = []
        self._last_command = 0
        #: when the guest's last byte arrived, on whatever channel
        self._last_sign = clock.monotonic()
        self._echoing: list[asyncio.Task[None]] = []
        self._ended: asyncio.Task[None] | None = None
        self._exited = asyncio.Event()
        self._sampling: asyncio.Task[None] | None = None

    # ---- life cycle ---------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Bind every channel's socket below the machine's folder."""
        self._thread.start()
        self._call(self._listen())

    def connect(self, process: QemuProcess) -> None:
        """Wait until QEMU has connected every channel, then read them all.

        Raises Refused or MachineError, with QEMU's own words, if it ends first or does not connect in time.
        """
        self._call(self._connect(process), CONNECT_TIMEOUT_S + 5)

    def sample(self, process: QemuProcess, vcpu_threads: list[int]) -> None:
        """Have heartbeats from now on; the vCPUs' host threads are `vcpu_threads`."""
        self._call(self._sample(process, vcpu_threads))

    def close(self) -> None:
        """Stop reading and end the thread. The process is the machine's to end, before this."""
        if not self._thread.is_alive():
            return
        with contextlib.suppress(MachineError):
            self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    # ---- talking to the machine ---------------------------------------------------------------------------

    def send(self, script: str, purpose: str) -> CommandSent:
        """Send a script to the agent without waiting; the returned event carries the moment of sending.

        Raises GuestGone if QEMU has ended.
        """
        return self._call(self._send(script, purpose))

    def run(self, script: str, purpose: str, timeout: float) -> CommandReply:
        """Send a script and wait for what it gives.

        Raises GuestGone if QEMU ends first, MachineError if the agent stays silent for `timeout` seconds.
        """
        return self._call(self._run(script, purpose, timeout), timeout + 5)

    def execute(
        self, command: str, arguments: dict[str, Any] | None = None, *, timeout: float = COMMAND_TIMEOUT_S
    ) -> Any:
        """Run a QMP command; errors as `Qmp.execute`."""
        return self._call(self._qmp.execute(command, arguments, timeout), timeout + 5)

    def monitor(self, line: str, cpu: int | None = None) -> str:
        """Run a line of the human monitor; `cpu` and errors as `Qmp.monitor`."""
        return self._call(self._qmp.monitor(line, cpu))

    def exchanges(self) -> list[Exchange]:
        """The newest of everything that passed over QMP, in order."""
        return self._call(self._exchanges())

    def tap_console(self) -> ConsoleTap:
        """A private copy of the console from now on, to type and expect on."""
        tap = ConsoleTap()
        self._call(self._add_tap(tap))
        return tap

    # ---- in the event loop --------------------------------------------------------------------------------

    def _call(self, coroutine: Coroutine[Any, Any, T], timeout: float = 30.0) -> T:
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(timeout)
        except TimeoutError as error:
            future.cancel()
            raise MachineError(f"the watcher did not answer within {timeout:.0f} s") from error

    async def _exchanges(self) -> list[Exchange]:
        return list(self._qmp.log)

    def _now(self) -> float:
        return self._clock.monotonic()

    def _put(self, event: Event) -> None:
        """Queue an event of any channel but the console, after what the console has sent before it.

        What a guest can say at will does not take more of a flooded console than there is room for.
        """
        rare = isinstance(event, QmpEvent | ProcessExit)
        if (rare or not self.events.is_full("console")) and (data := self._console.read_now()):
            # A heartbeat is as old as its question.
            self._on_console(data, self._now() if isinstance(event, Heartbeat) else event.t)
        self.events.put(event)

    async def _listen(self) -> None:
        self._console.make(self._folder / CONSOLE)
        for name, file in self._files.items():
            path = self._folder / file
            if name == "qmp":
                await self._qmp.listen(path)
                continue
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(str(path))
            listener.listen(1)
            listener.setblocking(False)
            self._listeners[name] = listener

    async def _connect(self, process: QemuProcess) -> None:
        self._loop.add_reader(process.pidfd, self._exited.set)
        accepting = asyncio.create_task(self._accept_all())
        ending = asyncio.create_task(self._exited.wait())
        await asyncio.wait({accepting, ending}, timeout=CONNECT_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        failed = accepting.done() and accepting.exception() is not None
        if failed:
            # QEMU lets go of its sockets a moment before it ends.
            await asyncio.wait({ending}, timeout=DRAIN_S)
        if not accepting.done() or (failed and self._exited.is_set()):
            accepting.cancel()
            ending.cancel()
            # A session that is being made must have ended before it can be closed.
            await asyncio.gather(accepting, ending, return_exceptions=True)
            self._loop.remove_reader(process.pidfd)
            if self._exited.is_set():
                raise Refused(process.stderr())
            waited = f"did not connect within {CONNECT_TIMEOUT_S:.0f} s"
            raise MachineError(f"QEMU {waited}; it said: {process.stderr() or '(nothing)'}")
        await accepting
        # Whoever speaks QMP has all its channels.
        self._console.open(self._folder / CONSOLE)
        handlers: dict[str, Callable[[bytes], None]] = {
            "agent": self._agent_handler(),
            "firmware": lambda data: self._put(FirmwareData(self._now(), data.decode("latin-1"))),
        }
        for name in self._sockets.keys() - handlers.keys():
            echo = Echo(self._sockets[name])
            handlers[name] = echo.feed
            self._echoing.append(asyncio.create_task(echo.run()))
        self._readers = [asyncio.create_task(self._read(name, handlers[name])) for name in self._sockets]
        self._readers.append(asyncio.create_task(self._read_console()))
        self._ended = asyncio.create_task(self._report_end(process, ending))

    async def _accept_all(self) -> None:
        await asyncio.gather(self._qmp.accept(), *(self._accept(name) for name in self._listeners))

    async def _accept(self, name: str) -> None:
        connection, _ = await self._loop.sock_accept(self._listeners[name])
        connection.setblocking(False)
        self._sockets[name] = connection

    async def _read(self, name: str, handle: Callable[[bytes], None]) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await self._loop.sock_recv(self._sockets[name], READ_BYTES):
                self._last_sign = self._now()
                handle(data)
                if name in SOCKETS:
                    await self.events.room(name)

    async def _read_console(self) -> None:
        while data := await self._console.read():
            self._on_console(data, self._now())
            await self.events.room("console")
            await self._gather()

    async def _gather(self) -> None:
        """Let more bytes come, unless none will."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._exited.wait(), GATHER_S)

    async def _sample(self, process: QemuProcess, vcpu_threads: list[int]) -> None:
        sampler = HeartbeatSampler(self._clock, self._qmp.sample, lambda: self._last_sign, self._put)
        self._sampling = asyncio.create_task(sampler.run(process, vcpu_threads, self._exited))

    async def _report_end(self, process: QemuProcess, ending: asyncio.Task[bool]) -> None:
        await ending
        self._loop.remove_reader(process.pidfd)
        # What QEMU sent before it died comes before the news of its death.
        await asyncio.wait(self._readers, timeout=DRAIN_S)
        status = await self._loop.run_in_executor(None, process.wait)
        self.gone.set()
        self._put(ProcessExit(self._now(), status, process.stderr()))
        for waiting in self._replies.values():
            if not waiting.done():
                waiting.set_exception(GuestGone("QEMU ended before the guest answered"))

    def _on_console(self, data: bytes, arrival: float) -> None:
        self._last_sign = arrival
        self.events.put(ConsoleData(arrival, data.decode("latin-1")))
        for tap in self._taps:
            tap.feed(data)

    def _agent_handler(self) -> Callable[[bytes], None]:
        decoder = AgentDecoder()

        def handle(data: bytes) -> None:
            arrival = self._now()
            for body in decoder.feed(data):
                self._put(AgentMessage(arrival, body))
                reply = parse_reply(body)
                if reply and (waiting := self._replies.pop(reply[0], None)) and not waiting.done():
                    waiting.set_result(reply[1])

        return handle

    async def _send(self, script: str, purpose: str) -> CommandSent:
        if self.gone.is_set():
            raise GuestGone("QEMU has ended")
        self._last_command += 1
        sent = CommandSent(self._now(), self._last_command, purpose, script)
        self._put(sent)
        try:
            await self._loop.sock_sendall(self._sockets["agent"], encode_command(sent.id, script))
        except ConnectionError as error:
            raise GuestGone("QEMU went away while a command was being sent") from error
        return sent

    async def _run(self, script: str, purpose: str, timeout: float) -> CommandReply:
        waiting: asyncio.Future[CommandReply] = self._loop.create_future()
        self._replies[self._last_command + 1] = waiting
        sent = await self._send(script, purpose)
        try:
            return await asyncio.wait_for(waiting, timeout)
        except TimeoutError as error:
            self._replies.pop(sent.id, None)
            raise MachineError(f"the guest agent did not answer '{purpose}' within {timeout:.0f} s") from error

    async def _add_tap(self, tap: ConsoleTap) -> None:
        self._taps.append(tap)
        self._readers.append(asyncio.create_task(self._forward_keys(tap)))

    async def _forward_keys(self, tap: ConsoleTap) -> None:
        with contextlib.suppress(OSError):
            while data := await self._loop.sock_recv(tap.far_end, READ_BYTES):
                await self._console.write(data)

    async def _close(self) -> None:
        running = (*self._readers, *self._echoing, self._ended, self._sampling)
        tasks = [task for task in running if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._console.close()
        await self._qmp.close()
        for tap in self._taps:
            tap.close()
        for endpoint in (*self._listeners.values(), *self._sockets.values()):
            endpoint.close()
