"""What a reboot method is: how the guest is told which way to go, how the reboot is asked for, what must be proven."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from msgspec import Struct

from harness.model import BootPath


class Method(Struct, frozen=True, kw_only=True):
    """One way to reboot."""

    name: str
    summary: str
    #: the path that a cycle of this method must be proven to have taken
    path: BootPath
    #: nonce -> guest script that arms this method for the next reboot only; not part of the measured time
    arm: Callable[[str], str]
    #: guest script that asks for the reboot; the measured time starts when it is sent
    trigger: str


def remember(nonce: str) -> str:
    """Guest script that keeps the nonce on disk, so that the next boot can say which reboot it came from."""
    return (
        f"mkdir -p /var/lib/kexec-harness && printf '%s\\n' {shlex.quote(nonce)} >/var/lib/kexec-harness/nonce && sync"
    )
