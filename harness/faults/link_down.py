"""The network's cable is pulled during the reboot."""

from __future__ import annotations

import re

from harness.faults.base import Fault, Hands, Reaction, Target
from harness.model import FailureClass

NAME = "link-down"


def _pull(hands: Hands, _: re.Match[str]) -> None:
    hands.qmp("set_link", {"name": "net0", "up": False})


FAULT = Fault(
    name=NAME,
    summary="the network link goes down at the hand-off",
    target=Target.DEVICE,
    classes=(FailureClass.DEVICE_FAILED,),
    reactions=(Reaction(re.compile(r"Linux version \d"), _pull),),
    spoils_machine=True,
)
