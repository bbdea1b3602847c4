"""Disk images of the user's own, as small as they can be, and what their guests say while they are prepared."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

from harness.host.tools import find_tool
from harness.model import AgentMessage, ProcessExit

RELEASE = "6.99.0-cloud"
OFF = ProcessExit(70.0, 0)


def said_by(tool: str, *arguments: object) -> str:
    command = [str(find_tool(tool)), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def raw_disk(path: Path) -> Path:
    """A disk with a boot record, boot code in it, and nothing else."""
    content = bytearray(1 << 20)
    content[0], content[510:512] = 0xEB, b"\x55\xaa"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def qcow2_disk(path: Path) -> Path:
    """The same as qcow2."""
    raw = raw_disk(path.with_suffix(".tmp"))
    said_by("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path)
    raw.unlink()
    return path


def step(text: str, t: float = 10.0) -> AgentMessage:
    return AgentMessage(t, {"type": "step", "step": text})


def failed(problem: str, output: bytes = b"") -> AgentMessage:
    body = {"type": "failed", "step": "looking", "problem": problem, "output": base64.b64encode(output).decode()}
    return AgentMessage(20.0, body)


def prepared(t: float = 60.0, **more: object) -> AgentMessage:
    following = {
        "kexec": True,
        "reason": "the default entry",
        "kernel": "/boot/vmlinuz",
        "initrds": ["/boot/initrd.img"],
        "command_line": "root=/dev/vda1 ro console=ttyS0,115200",
    }
    body: dict[str, object] = {
        "type": "prepared",
        "system": '"Debian GNU/Linux 13"',
        "running": RELEASE,
        "cmdline": "BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro",
        "kernel_bytes": 4096,
        "initrd_bytes": 8,
        "next": following,
    }
    return AgentMessage(t, {**body, **more})
