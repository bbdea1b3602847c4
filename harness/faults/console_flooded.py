"""A program floods the console before the system is up: of all that it prints nothing counts, but the time it takes."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot
from harness.model import FailureClass

NAME = "console-flooded"

FAULT = Fault(
    name=NAME,
    summary="a program writes 40 MB to the console, which takes a minute or two",
    target=Target.USERSPACE,
    classes=(FailureClass.SLOW,),
    sabotage=unit_at_boot(
        "head -c 30000000 /dev/urandom | base64 >/dev/ttyS0", service="Type=oneshot\nTimeoutStartSec=infinity"
    ),
)
