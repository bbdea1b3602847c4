"""kexec: kexec-load stages the kernel at shutdown, its final hook jumps into it.

An image without systemd has no kexec-load: there what ends the system does the same two steps.
"""

from __future__ import annotations

import shlex

from harness.model import BootPath
from harness.reboot.base import (
    NEXT_COMMAND_LINE,
    NEXT_SETTINGS,
    NONCE_WORD,
    PATIENT,
    REBOOT,
    Method,
    command_line_with,
    remember,
    with_kexec_load,
)

NAME = "kexec"


def arm(nonce: str, *more: str) -> str:
    """Guest script that has kexec-load load a kernel with this nonce, under `more` settings of its own."""
    # The nonce on the next kernel's command line is one proof of the path: only a kexec puts it there. A failure must
    # not turn later cycles of the arm cold, which MAX_FAILURES does for people.
    words = shlex.join([f'APPEND_ONCE="{NONCE_WORD}={nonce}"', "MAX_FAILURES=0", PATIENT, *more])
    return f"""
set -e
{remember(nonce)}
if ! [ -d /run/systemd/system ]; then
{command_line_with(nonce)}
    printf '%s\\n' "$command_line" >{NEXT_COMMAND_LINE}
    printf '%s\\n' {shlex.join(more)} >{NEXT_SETTINGS}
    exit
fi
{with_kexec_load()}
kexec-load unskip
mkdir -p /run/kexec-load/conf.d
printf '%s\\n' {words} >/run/kexec-load/conf.d/kexec-harness.conf
"""


METHOD = Method(
    name=NAME,
    summary="a reboot with kexec-load in service",
    path=BootPath.KEXEC,
    arm=arm,
    trigger=REBOOT,
)
