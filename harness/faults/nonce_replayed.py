"""The next kernel's command line carries the word of an earlier reboot."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import FailureClass

NAME = "nonce-replayed"

FAULT = Fault(
    name=NAME,
    summary="the command line carries another cycle's nonce",
    target=Target.LOAD,
    classes=(FailureClass.PROOF_CONFLICT,),
    sabotage="sed -i 's|nonce=[0-9a-f]*|nonce=0123456789abcdef|' /run/kexec-load/conf.d/kexec-harness.conf",
)
