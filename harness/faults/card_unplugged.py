"""The network card is pulled out of its slot while the new kernel starts."""

from __future__ import annotations

import re

from harness.faults.base import Fault, Hands, Reaction, Target
from harness.faults.slots import CARD
from harness.model import FailureClass

NAME = "card-unplugged"


def _unplug(hands: Hands, _: re.Match[str]) -> None:
    # While the kernels change hands nobody would hear of it.
    hands.qmp("device_del", {"id": CARD})


FAULT = Fault(
    name=NAME,
    summary="the network card is unplugged while the new kernel starts",
    target=Target.DEVICE,
    classes=(FailureClass.DEVICE_MISSING, FailureClass.DEVICE_FAILED),
    reactions=(Reaction(re.compile(r"Run /init as init process"), _unplug),),
    spoils_machine=True,
)
