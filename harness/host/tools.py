"""Programs the harness calls: where they are, which Debian package brings them, which are missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from harness.errors import ToolMissing

TABLE = Path(__file__).with_name("tools.txt")

#: Debian keeps administrators' programs here, which a normal user's PATH leaves out.
ADMIN_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def search_path() -> str:
    """PATH with the administrators' folders at its end."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *ADMIN_FOLDERS])


def table() -> dict[str, str]:
    """Program, or file names with commas between, -> the Debian package that brings it (tools.txt)."""
    rows = (line.split() for line in TABLE.read_text("ascii").splitlines() if line and not line.startswith("#"))
    return {row[0]: row[1] for row in rows}


def which(tool: str) -> Path | None:
    """Where the program `tool` is, or None."""
    found = shutil.which(tool, path=search_path())
    return Path(found) if found else None


def find_tool(tool: str) -> Path:
    """Where `tool` is.

    Raises ToolMissing, which names the Debian package to install.
    """
    found = which(tool)
    if found is None:
        raise ToolMissing(tool, table().get(tool))
    return found


def tools() -> dict[str, Path | None]:
    """Every row of the table and where it is; None for one that is missing."""
    return {tool: _locate(tool) for tool in table()}


def _locate(tool: str) -> Path | None:
    if not tool.startswith("/"):
        return which(tool)
    return next((path for path in map(Path, tool.split(",")) if path.exists()), None)


def missing_packages() -> list[str]:
    """Debian packages of the tools that are missing, each once, sorted."""
    packages = table()
    return sorted({packages[tool] for tool, path in tools().items() if path is None})


def die_with_parent(signal: str = "KILL") -> list[str]:
    """Words to put before a command so that the kernel sends it `signal` when the thread that started it ends.

    Raises ToolMissing without setpriv.
    """
    return [str(find_tool("setpriv")), "--pdeathsig", signal, "--"]
