"""Which arms a cell can have: a method that the image's system does not know is left out, and says why."""

from __future__ import annotations

from collections.abc import Sequence

from harness.classify.classifier import visible
from harness.qemu.machine import Machine
from harness.reboot.base import Method


def unable(machine: Machine, methods: Sequence[Method]) -> dict[str, str]:
    """Name -> reason, of the methods that the system which is up cannot do. Raises MachineError if it does not answer.

    It is asked; what it says is untrusted, and made fit to be shown.
    """
    found: dict[str, str] = {}
    for method in methods:
        if method.lacking is not None:
            said = machine.run(method.lacking, purpose="method").output.strip()
            if said:
                found[method.name] = visible(said)
    return found
