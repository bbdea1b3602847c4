"""Whether, and how, this user may build images: as root, or in a user namespace."""

from __future__ import annotations

import getpass
import os
import re
from enum import StrEnum
from pathlib import Path

from harness.errors import InfraError
from harness.host.tools import find_tool

ID_RANGES = (Path("/etc/subuid"), Path("/etc/subgid"))


class BuildMode(StrEnum):
    """mmdebstrap's words."""

    ROOT = "root"
    UNSHARE = "unshare"


def build_mode() -> BuildMode:
    """How this user builds. Raises InfraError or ToolMissing, with the mend, if this user cannot."""
    find_tool("mmdebstrap")
    if os.geteuid() == 0:
        return BuildMode.ROOT
    find_tool("fakeroot")
    find_tool("newuidmap")
    user = getpass.getuser()
    for path in ID_RANGES:
        entries = path.read_text("utf-8", "replace") if path.is_file() else ""
        if not re.search(rf"^({re.escape(user)}|{os.getuid()}):", entries, re.MULTILINE):
            raise InfraError(
                f"{user} has no range of ids in {path}, which building as a normal user needs",
                mend=f"as root, run: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}",
            )
    return BuildMode.UNSHARE
