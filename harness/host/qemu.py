"""Which QEMU this host has."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from msgspec import Struct

from harness.errors import ConfigError, InfraError
from harness.host.tools import find_tool, which

MEND = "QEMU= names a QEMU system emulator; without it, the one on the PATH is taken"
VERSION_TIMEOUT_S = 20


class QemuBinary(Struct, frozen=True):
    """A QEMU system emulator."""

    path: Path
    #: as it says itself, for example `7.2.22`
    version: str


def find_qemu(arch: str, binary: str | None = None) -> QemuBinary:
    """The emulator for `arch`: `binary` (the user's setting), else the one on the PATH.

    Raises ToolMissing, ConfigError (a named binary that is none) or InfraError (it does not say its version).
    """
    path = which(binary) if binary else find_tool(f"qemu-system-{arch}")
    if path is None:
        raise ConfigError(f"{binary} is no program that can be run", key="qemu", mend=MEND)
    return QemuBinary(path, _version(path))


def _version(path: Path) -> str:
    try:
        done = subprocess.run(
            [str(path), "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InfraError(f"{path} --version: {error}") from error
    found = re.search(r"version (\d+\.\d+(?:\.\d+)?)", done.stdout)
    if found is None:
        said = (done.stderr or done.stdout).strip()[-500:]
        raise InfraError(f"{path} does not say which version it is: {said}", mend=MEND)
    return found[1]
