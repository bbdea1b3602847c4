"""Programs the harness calls: where they are, which Debian package brings them, which are missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from harness.errors import ToolMissing

#: program -> Debian package
PACKAGE_OF_TOOL: dict[str, str] = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "apt-get": "apt",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "mkfs.vfat": "dosfstools",
    "mmd": "mtools",
    "mcopy": "mtools",
    "sfdisk": "fdisk",
    "fakeroot": "fakeroot",
    "newuidmap": "uidmap",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "tar": "tar",
    "cpio": "cpio",
    "make": "make",
}

#: Debian keeps administrators' programs here, which a normal user's PATH leaves out.
ADMIN_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def search_path() -> str:
    """PATH with the administrators' folders at its end."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *ADMIN_FOLDERS])


def which(tool: str) -> Path | None:
    """Where `tool` is, or None."""
    found = shutil.which(tool, path=search_path())
    return Path(found) if found else None


def find_tool(tool: str) -> Path:
    """Where `tool` is.

    Raises ToolMissing, which names the Debian package to install.
    """
    found = which(tool)
    if found is None:
        raise ToolMissing(tool, PACKAGE_OF_TOOL.get(tool))
    return found


def tools() -> dict[str, Path | None]:
    """Every program of the table and where it is; None for one that is missing."""
    return {tool: which(tool) for tool in PACKAGE_OF_TOOL}


def missing_packages() -> list[str]:
    """Debian packages of the programs that are missing, each once, sorted."""
    return sorted({PACKAGE_OF_TOOL[tool] for tool, path in tools().items() if path is None})


def die_with_parent(signal: str = "KILL") -> list[str]:
    """Words to put before a command so that the kernel sends it `signal` when the thread that started it ends.

    Raises ToolMissing without setpriv.
    """
    return [str(find_tool("setpriv")), "--pdeathsig", signal, "--"]
