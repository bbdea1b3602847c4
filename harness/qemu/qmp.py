"""QMP: events stamped on arrival, commands with a time limit. Built on qemu.qmp's QMPClient."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct
from qemu.qmp import ConnectError, ExecInterruptedError, ExecuteError, QMPClient, QMPError, Runstate, StateError

from harness.errors import GuestGone, MachineError
from harness.model import QMP_LOST

COMMAND_TIMEOUT_S = 10.0
#: of the session's log, the newest entries are kept
MAX_LOG_ENTRIES = 4096


class Exchange(Struct, frozen=True):
    """One entry of a session's log: what QEMU was told and what it said, stamped with the machine's clock."""

    t: float
    kind: Literal["event", "command", "reply", "error"]
    #: of the event or the command
    name: str
    #: the event's data, the command's arguments, what it gave, or why it failed
    data: Any = None


class Qmp:
    """One QMP session, to which QEMU connects. All methods run in the watcher's event loop."""

    def __init__(self, on_event: Callable[[str, dict[str, Any]], None], now: Callable[[], float]) -> None:
        self._client = QMPClient("kexec-harness")
        self._on_event = on_event
        self._now = now
        self._pump: asyncio.Task[None] | None = None
        self._guard: asyncio.Task[None] | None = None
        #: the newest `MAX_LOG_ENTRIES` of everything that passed
        self.log: deque[Exchange] = deque(maxlen=MAX_LOG_ENTRIES)

    async def listen(self, path: Path) -> None:
        """Bind the socket, so that QEMU can connect as soon as it starts."""
        await self._client.start_server(str(path))

    async def accept(self) -> None:
        """Complete the session with the QEMU that connects; events flow from then on.

        Raises MachineError if what connects does not speak QMP.
        """
        try:
            await self._client.accept()
        except (ConnectError, StateError) as error:
            raise MachineError(f"QEMU's control socket: {error}") from error
        self._pump = asyncio.create_task(self._forward_events())
        self._guard = asyncio.create_task(self._report_loss())

    async def _forward_events(self) -> None:
        async for message in self._client.events:
            data = message.get("data", {})
            data = data if isinstance(data, dict) else {}
            self._note("event", str(message["event"]), data)
            self._on_event(str(message["event"]), data)

    async def _report_loss(self) -> None:
        while self._client.runstate is Runstate.RUNNING:
            await self._client.runstate_changed()
        self._on_event(QMP_LOST, {})

    def _note(self, kind: Literal["event", "command", "reply", "error"], name: str, data: Any) -> None:
        self.log.append(Exchange(self._now(), kind, name, data))

    async def execute(
        self, command: str, arguments: dict[str, Any] | None = None, timeout: float = COMMAND_TIMEOUT_S
    ) -> Any:
        """Run a QMP command, which may take `timeout` seconds.

        Raises GuestGone if QEMU went away meanwhile, MachineError if it refuses or stays silent.
        """
        self._note("command", command, arguments)
        try:
            reply = await self.sample(command, arguments, timeout)
        except MachineError as error:
            self._note("error", command, str(error))
            raise
        self._note("reply", command, reply)
        return reply

    async def sample(
        self, command: str, arguments: dict[str, Any] | None = None, timeout: float = COMMAND_TIMEOUT_S
    ) -> Any:
        """As `execute`, but not in the log: for what is asked again and again."""
        try:
            return await asyncio.wait_for(self._client.execute(command, arguments), timeout)
        except (ExecInterruptedError, StateError) as error:
            raise GuestGone(f"QEMU went away during {command}") from error
        except TimeoutError as error:
            raise MachineError(f"QEMU did not answer {command} within {timeout:.0f} s") from error
        except ExecuteError as error:
            raise MachineError(f"QEMU refused {command}: {error}") from error

    async def monitor(self, line: str, cpu: int | None = None) -> str:
        """Run a line of the human monitor, for what QMP has no command for; its output as text.

        `cpu` is the one whose registers and page tables the line is about; None: the first.
        """
        arguments: dict[str, Any] = {"command-line": line}
        if cpu is not None:
            arguments["cpu-index"] = cpu
        return str(await self.execute("human-monitor-command", arguments))

    async def close(self) -> None:
        for task in (self._guard, self._pump):
            if task is not None:
                task.cancel()
        if self._client.runstate is not Runstate.IDLE:
            with suppress(QMPError, OSError, EOFError, asyncio.CancelledError):
                await self._client.disconnect()
