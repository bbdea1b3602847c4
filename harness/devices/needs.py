"""What a device set needs of QEMU: every type of device and backend on its part of the command line."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from harness.model import Option

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
