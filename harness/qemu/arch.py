"""What differs between architectures, as data: one row each."""

from __future__ import annotations

from msgspec import Struct

from harness.model import Accel


class Architecture(Struct, frozen=True, kw_only=True):
    """One row of the table. Names are QEMU's."""

    name: str
    machines: tuple[str, ...]
    cpu: dict[Accel, str]
    #: I/O port where firmware prints its debug output; None if the machine has no such port
    debug_port: int | None


ARCHITECTURES: dict[str, Architecture] = {
    row.name: row
    for row in (
        Architecture(
            name="x86_64",
            machines=("q35", "pc"),
            cpu={Accel.KVM: "host", Accel.TCG: "max"},
            debug_port=0x402,
        ),
    )
}
