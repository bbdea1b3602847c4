"""Something switches the machine off where it was to reboot."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import at_the_very_end
from harness.model import FailureClass

NAME = "powered-off"

FAULT = Fault(
    name=NAME,
    summary="the machine is switched off at the end of the shutdown",
    target=Target.SHUTDOWN,
    classes=(FailureClass.POWERED_OFF,),
    method="cold",
    sabotage=at_the_very_end("echo o >/proc/sysrq-trigger; sleep 30"),
    spoils_machine=True,
)
