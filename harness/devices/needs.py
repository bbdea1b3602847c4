"""What a device set needs: types of devices and backends that QEMU has, and what is on the board already."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from harness.model import Option
from harness.model.architectures import MachineType

#: option -> what messages call the first word of its value
KINDS = {
    "-device": "device",
    "-object": "object",
    "-netdev": "network backend",
    "-tpmdev": "TPM backend",
    "-audiodev": "audio driver",
}


def lacking(options: Sequence[Option], offers: Callable[[str], Collection[str]]) -> list[str]:
    """What the options name and QEMU does not have, such as `device igb`, each once.

    `offers` gives the names that QEMU knows for an option, such as `-device`.
    """
    found: dict[str, None] = {}
    for option, value in options:
        name = value.partition(",")[0].removeprefix("driver=")
        if option in KINDS and name not in offers(option):
            found[f"{KINDS[option]} {name}"] = None
    return list(found)


def fitted(options: Sequence[Option], machine: MachineType) -> list[Option]:
    """The options with virtio's devices as they fit on this board's bus: on PCI, or on memory-mapped I/O.

    What QEMU has in no such form stays as it is, or gets a name that QEMU does not know: it says so when it is asked.
    """
    return [
        (option, re.sub(r"^((?:virtio|vhost-user)-[a-z0-9-]+)-pci(?=,|$)", rf"\1-{machine.virtio}", value))
        if option == "-device"
        else (option, value)
        for option, value in options
    ]


def of_the_board(tree: str) -> frozenset[str]:
    """The devices that a machine has, by QEMU's names, from what its monitor prints for `info qtree`."""
    return frozenset(re.findall(r"^ *dev: ([^,\s]+), id ", tree, re.MULTILINE))


#: a complaint of QEMU's about one of its options, which it names, or about a property of the machine's
_ABOUT_AN_OPTION = re.compile(
    r"^\S*qemu\S*: (?P<said>(?:(?:-device|-machine|-global|-numa|-smp|-m) |Property '[\w-]+-machine\.).+)$",
    re.MULTILINE,
)


def refusal(stderr: str) -> str | None:
    """What in a machine's options QEMU did not take, by its words; None if it ended for something else."""
    found = _ABOUT_AN_OPTION.search(stderr)
    return found["said"].strip() if found else None
