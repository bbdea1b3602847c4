"""Whether QEMU takes a machine: it is started with all its devices, and ended before its guest has run a step."""

from __future__ import annotations

from collections.abc import Sequence

from harness.devices.needs import of_the_board, refusal
from harness.errors import Refused
from harness.qemu.machine import QemuMachine


def why_refused(machine: QemuMachine, needed: Sequence[str]) -> str | None:
    """Why this machine cannot be, in QEMU's words, or which of the devices `needed` its board has not; else None.

    The machine is not powered on yet, and closed afterwards. Raises MachineError if QEMU ends for something that is not
    about one of its options, or does not answer.
    """
    try:
        machine.assemble()
        has = of_the_board(machine.monitor("info qtree"))
    except Refused as error:
        said = refusal(error.said)
        if said is None:
            raise
        return said
    finally:
        machine.close()
    missing = [name for name in needed if name not in has]
    return f"the board has no {', no '.join(missing)}" if missing else None
