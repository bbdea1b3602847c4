"""systemctl-kexec: the operator loads an image and asks for `systemctl kexec`; kexec-load keeps out of it."""

from __future__ import annotations

from harness.model import BootPath
from harness.reboot.base import Method, command_line_with, remember

NAME = "systemctl-kexec"


def _arm(nonce: str) -> str:
    return f"""
set -e
{remember(nonce)}
{command_line_with(nonce)}
kexec --load /vmlinuz --initrd=/initrd.img --command-line="$command_line"
"""


METHOD = Method(
    name=NAME,
    summary="systemctl kexec of an image that was loaded by hand beforehand",
    path=BootPath.KEXEC,
    init="systemd",
    arm=_arm,
    trigger="systemctl kexec",
)
