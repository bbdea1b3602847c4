"""Programs that a machine's devices need beside QEMU, such as a TPM: each serves one machine, on a socket."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from harness.host.tools import which

#: folders of programs that nobody starts by hand, in Debian's and in Fedora's order
FOLDERS = ("/usr/libexec", "/usr/lib/qemu")


class Helper(Struct, frozen=True, kw_only=True):
    """One program, and how it is started."""

    program: str
    #: Debian's package of it
    package: str
    arguments: tuple[str, ...]
    #: what it listens on once it is ready
    socket: Path

    def find(self) -> Path | None:
        """Where the program is; None if it is not installed."""
        elsewhere = (Path(folder) / self.program for folder in FOLDERS)
        return which(self.program) or next((path for path in elsewhere if path.exists()), None)
