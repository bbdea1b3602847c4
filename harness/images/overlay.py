"""qcow2 overlays: a VM writes into its own file and never to the image."""

from __future__ import annotations

import subprocess
from pathlib import Path

from harness.errors import InfraError, NoSpace
from harness.host.tools import find_tool
from harness.images.cache import BuiltImage

QEMU_IMG_TIMEOUT_S = 60
EMPTY_MIB = 64


def create_overlay(image: BuiltImage, path: Path) -> None:
    """Make `path` a qcow2 disk on top of the image; takes milliseconds and almost no space.

    Raises InfraError, NoSpace or ToolMissing.
    """
    _create(
        "-b", str(image.disk.resolve()), "-F", image.disk_format, str(path), what=f"no overlay {path} on {image.disk}"
    )


def create_empty(path: Path) -> None:
    """Make `path` an empty qcow2 disk. Raises as `create_overlay`."""
    _create(str(path), f"{EMPTY_MIB}M", what=f"no disk {path}")


def _create(*arguments: str, what: str) -> None:
    command = [str(find_tool("qemu-img")), "create", "-q", "-f", "qcow2", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=QEMU_IMG_TIMEOUT_S, check=False
    )
    if done.returncode:
        problem = f"{what}: {done.stderr.strip()}"
        raise NoSpace(problem) if "No space left" in done.stderr else InfraError(problem)
