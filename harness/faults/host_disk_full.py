"""The host's disk is full: QEMU stops the machine at its first write."""

from __future__ import annotations

import re

from harness.faults.base import Fault, Hands, Reaction, Target
from harness.faults.disks import no_room_for_writes
from harness.model import Blame, FailureClass, Outcome

NAME = "host-disk-full"


def _fill_host(hands: Hands, _: re.Match[str]) -> None:
    no_room_for_writes(hands)


FAULT = Fault(
    name=NAME,
    summary="the host has no room for the guest's writes",
    target=Target.HOST,
    classes=(FailureClass.INFRASTRUCTURE,),
    outcome=Outcome.INVALID,
    blame=Blame.HOST,
    reactions=(Reaction(re.compile(r"Linux version \d"), _fill_host),),
    spoils_machine=True,
)
