"""QEMU as a child process: ends with its parent, keeps what it says on stderr."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from harness.errors import MachineError, ToolMissing

STDERR_TAIL_BYTES = 4096


class ThreadTime(Struct, frozen=True):
    """What the kernel's scheduler says of a set of threads, in seconds."""

    on_cpu_s: float
    waiting_s: float

    def since(self, earlier: ThreadTime) -> ThreadTime:
        return ThreadTime(self.on_cpu_s - earlier.on_cpu_s, self.waiting_s - earlier.waiting_s)


class QemuProcess:
    """One running QEMU. Must be started from a thread that lives as long as QEMU shall."""

    def __init__(self, argv: list[str], folder: Path) -> None:
        """Start `argv`; its stderr goes to a file in `folder`.

        Raises ToolMissing or MachineError if it cannot be started.
        """
        self.argv = argv
        self._stderr_path = folder / "qemu.stderr"
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise ToolMissing("setpriv", "util-linux")
        # The kernel kills QEMU when the thread that started it ends, however that happens. A session of its
        # own keeps the terminal's Ctrl-C away from it: the harness decides when a guest ends.
        command = [setpriv, "--pdeathsig", "KILL", "--", *argv]
        with self._stderr_path.open("wb") as stderr:
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, start_new_session=True
                )
            except OSError as error:
                raise MachineError(f"{argv[0]} cannot be started: {error.strerror}") from error
        self.pid = self._process.pid
        self.pidfd = os.pidfd_open(self.pid)

    def stderr(self) -> str:
        """The end of what QEMU printed."""
        data = self._stderr_path.read_bytes()[-STDERR_TAIL_BYTES:]
        return data.decode("utf-8", "replace").strip()

    def wait(self) -> int:
        """Reap the process; its exit status as in subprocess (negative for a signal)."""
        return self._process.wait()

    def running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End QEMU now and reap it. Does nothing if it has ended."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """End QEMU and let go of what was held on to it. May be called twice."""
        self.kill()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def thread_time(self, thread_ids: list[int]) -> ThreadTime | None:
        """CPU and waiting time of the given threads together; None if they are gone or not accounted for.

        Source: /proc/<pid>/task/<tid>/schedstat, nanoseconds (Linux Documentation/scheduler/sched-stats.rst).
        """
        on_cpu = waiting = 0
        for tid in thread_ids:
            try:
                fields = Path(f"/proc/{self.pid}/task/{tid}/schedstat").read_text("ascii").split()
                on_cpu, waiting = on_cpu + int(fields[0]), waiting + int(fields[1])
            except (OSError, ValueError, IndexError):
                return None
        return ThreadTime(on_cpu / 1e9, waiting / 1e9)
