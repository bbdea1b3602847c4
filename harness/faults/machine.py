"""The machine that faults can be injected into."""

from __future__ import annotations

from msgspec import structs

from harness.faults.gdb import gdb_options
from harness.faults.slots import CARD, CARD_SLOT, FREE_SLOT
from harness.qemu.argv import MachineSpec

SLOTS = (FREE_SLOT, CARD_SLOT)


def adapt(spec: MachineSpec) -> MachineSpec:
    """The cell's machine with what faults need: a debugger's stub, a watchdog, a free slot, a card in another slot."""
    slots = [
        ("-device", f"pcie-root-port,id={slot},chassis={number},slot={number}") for number, slot in enumerate(SLOTS)
    ]
    devices = [
        (option, f"{value},id={CARD},bus={CARD_SLOT}" if option == "-device" else value)
        for option, value in spec.device_options
    ]
    more = (*gdb_options(spec.folder), ("-device", "i6300esb"), ("-action", "watchdog=reset"), *spec.more_options)
    return structs.replace(spec, device_options=(*slots, *devices), more_options=more)
