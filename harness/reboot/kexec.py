"""kexec: kexec-load stages the kernel at shutdown, its final hook jumps into it."""

from __future__ import annotations

import shlex

from harness.model import BootPath
from harness.reboot.base import NONCE_WORD, PATIENT, Method, remember, with_kexec_load

NAME = "kexec"


def arm(nonce: str, *more: str) -> str:
    """Guest script that has kexec-load load a kernel with this nonce, under `more` settings of its own."""
    # The nonce on the next kernel's command line is one proof of the path: only a kexec puts it there. A failure must
    # not turn later cycles of the arm cold, which MAX_FAILURES does for people.
    words = shlex.join([f'APPEND_ONCE="{NONCE_WORD}={nonce}"', "MAX_FAILURES=0", PATIENT, *more])
    return f"""
set -e
{remember(nonce)}
{with_kexec_load()}
kexec-load unskip
mkdir -p /run/kexec-load/conf.d
printf '%s\\n' {words} >/run/kexec-load/conf.d/kexec-harness.conf
"""


METHOD = Method(
    name=NAME,
    summary="systemctl reboot with kexec-load in service",
    path=BootPath.KEXEC,
    arm=arm,
    trigger="systemctl reboot",
)
