"""A program prints the old kernel's last line before a reboot through firmware."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_shutdown
from harness.model import FailureClass

NAME = "forged-handoff"

FAULT = Fault(
    name=NAME,
    summary="a program prints the line of a kexec before a cold reboot",
    target=Target.USERSPACE,
    classes=(FailureClass.PROOF_CONFLICT,),
    method="cold",
    sabotage=unit_at_shutdown(
        "printf '[%12.6f] kexec_core: Starting new kernel\\r\\n' \"$(cut -d' ' -f1 /proc/uptime)\" >/dev/console"
    ),
)
