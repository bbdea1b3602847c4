"""Faults in a campaign, on purpose: `FAULT=name FAULT_RATE=5%` spoils that share of the fault's own arm.

This is how one sees what a run would say of machines that fail at a known rate, before one believes what it says of
others. The start record of a spoilt cycle names the fault, and every report of the run says that there were some.
"""

from __future__ import annotations

import random
from typing import cast

from harness.campaign.plan import Slot
from harness.faults.base import Fault
from harness.faults.injector import Injector
from harness.qemu.machine import Machine, QemuMachine


class Spoiler:
    """Which of a cell's reboots are spoilt, and with what. The seed alone decides, whatever happens meanwhile."""

    def __init__(self, fault: Fault, rate: float, *, seed: int, cell_id: str) -> None:
        """`rate` is the share of the reboots by `fault.method`, from 0 to 1."""
        self.fault = fault
        self._rate = rate
        self._place = f"{seed}/{cell_id}/fault"

    def strikes(self, slot: Slot) -> bool:
        """Whether the cycle of this slot is to be spoilt."""
        # Seeding with text is stable across processes, unlike hash().
        draw = random.Random(f"{self._place}/{slot.cycle}").random()
        return slot.method.name == self.fault.method and draw < self._rate

    def spoilt(self, machine: Machine) -> Machine:
        """The machine with the fault in its next reboot. Raises MachineError if it cannot be injected."""
        injector = Injector(cast("QemuMachine", machine), self.fault)
        injector.prepare()
        return injector
