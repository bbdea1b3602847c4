"""QMP: events stamped on arrival, commands with a time limit. Built on qemu.qmp's QMPClient."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from qemu.qmp import ConnectError, ExecInterruptedError, ExecuteError, QMPClient, QMPError, Runstate, StateError

from harness.errors import GuestGone, MachineError

COMMAND_TIMEOUT_S = 10.0


class Qmp:
    """One QMP session, to which QEMU connects. All methods run in the watcher's event loop."""

    def __init__(self, on_event: Callable[[str, dict[str, Any]], None]) -> None:
        self._client = QMPClient("kexec-harness")
        self._on_event = on_event
        self._pump: asyncio.Task[None] | None = None

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

    async def _forward_events(self) -> None:
        async for message in self._client.events:
            data = message.get("data", {})
            self._on_event(str(message["event"]), data if isinstance(data, dict) else {})

    async def execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """Run a QMP command.

        Raises GuestGone if QEMU went away meanwhile, MachineError if it refuses or stays silent.
        """
        call = self._client.execute(command, arguments)
        try:
            return await asyncio.wait_for(call, COMMAND_TIMEOUT_S)
        except (ExecInterruptedError, StateError) as error:
            raise GuestGone(f"QEMU went away during {command}") from error
        except TimeoutError as error:
            raise MachineError(f"QEMU did not answer {command} within {COMMAND_TIMEOUT_S:.0f} s") from error
        except ExecuteError as error:
            raise MachineError(f"QEMU refused {command}: {error}") from error

    async def monitor(self, line: str) -> str:
        """Run a line of the human monitor, for what QMP has no command for; its output as text."""
        return str(await self.execute("human-monitor-command", {"command-line": line}))

    async def close(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
        if self._client.runstate is not Runstate.IDLE:
            with suppress(QMPError, OSError, EOFError, asyncio.CancelledError):
                await self._client.disconnect()
