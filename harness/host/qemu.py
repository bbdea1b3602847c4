"""Which QEMU this host has."""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Collection
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


@functools.cache
def offers(qemu: QemuBinary, option: str) -> frozenset[str]:
    """The names that this QEMU knows for an option such as `-device` or `-machine`, as `help` lists them.

    Raises InfraError if it does not answer.
    """
    # For TPM backends QEMU lists them and ends as if something was wrong (softmmu/tpm.c).
    said = _ask(qemu.path, option, "help", statuses=(0, 1) if option == "-tpmdev" else (0,))
    if option == "-device":
        return frozenset(re.findall(r'(?:name|alias) "([^"]+)"', said))
    return frozenset(words[0] for line in said.splitlines() if (words := line.split()))


def _ask(path: Path, *arguments: str, statuses: Collection[int] = (0,)) -> str:
    """What QEMU prints. Raises InfraError."""
    try:
        done = subprocess.run(
            [str(path), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InfraError(f"{path} {' '.join(arguments)}: {error}") from error
    if done.returncode not in statuses:
        said = done.stderr.strip()[-500:] or f"status {done.returncode}"
        raise InfraError(f"{path} {' '.join(arguments)} failed: {said}", mend=MEND)
    return done.stdout or done.stderr


def _version(path: Path) -> str:
    said = _ask(path, "--version")
    found = re.search(r"version (\d+\.\d+(?:\.\d+)?)", said)
    if found is None:
        raise InfraError(f"{path} does not say which version it is: {said.strip()[-500:]}", mend=MEND)
    return found[1]
