"""The new kernel stops for ever among its drivers, without a word."""

from __future__ import annotations

import re

from harness.errors import MachineError
from harness.faults.base import Fault, Hands, Reaction, Target
from harness.faults.code import HALT
from harness.model import Blame, FailureClass, Stage

NAME = "kernel-freezes"

_IP = re.compile(r"\b[ER]IP=([0-9a-f]+)")
_PHYSICAL = re.compile(r"gpa: (0x[0-9a-f]+)")


def _halt_where_it_is(hands: Hands, _: re.Match[str]) -> None:
    """What it runs just now, printing most likely, it will run again."""
    registers = _IP.search(hands.monitor("info registers"))
    if registers is None:
        raise MachineError("QEMU's monitor does not say where the CPU is")
    address = hands.monitor(f"gva2gpa 0x{registers[1]}")
    physical = _PHYSICAL.search(address)
    if physical is None:
        raise MachineError(f"QEMU's monitor says of the CPU's instruction pointer: {address[:80]}")
    hands.write_memory(int(physical[1], 16), HALT)


FAULT = Fault(
    name=NAME,
    summary="the code that the CPU runs among its drivers is overwritten with a halt",
    target=Target.KERNEL,
    classes=(FailureClass.NO_READY,),
    stage=Stage.KERNEL,
    blame=Blame.INCOMING_KERNEL,
    reactions=(Reaction(re.compile(r"PCI host bridge to bus"), _halt_where_it_is),),
)
