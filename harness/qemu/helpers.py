"""The helpers of a running machine: started before QEMU, ended after it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from harness.clock import Clock, Deadline, pause
from harness.errors import MachineError, ToolMissing
from harness.host.helpers import Helper
from harness.host.tools import die_with_parent

READY_WITHIN_S = 20.0


class Helpers:
    """Runs the helpers of one machine. Must be started from a thread that lives as long as they shall."""

    def __init__(self, helpers: Sequence[Helper], folder: Path, clock: Clock) -> None:
        """`folder` gets what they print."""
        self._helpers, self._folder, self._clock = helpers, folder, clock
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start each, and wait until it listens.

        Raises ToolMissing, or MachineError with a helper's own words if one does not come up.
        """
        for number, helper in enumerate(self._helpers):
            program = helper.find()
            if program is None:
                raise ToolMissing(helper.program, helper.package)
            log = self._folder / f"helper{number}.log"
            command = [*die_with_parent(), str(program), *helper.arguments]
            with log.open("wb") as output:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
                )
            self._processes.append(process)
            deadline = Deadline.after(self._clock, READY_WITHIN_S)
            while not helper.socket.exists():
                if process.poll() is not None or deadline.expired():
                    said = log.read_bytes()[-1000:].decode("utf-8", "replace").strip()
                    raise MachineError(f"{helper.program} does not come up; it said: {said or '(nothing)'}")
                pause(0.05)

    def close(self) -> None:
        """End them. May be called twice."""
        for process in self._processes:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()
        self._processes.clear()
