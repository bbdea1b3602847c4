"""Devices behind PCI bridges, and such as were plugged in while the machine ran: an NVMe disk that works as any other.

The check is that of disks; a bridge that is gone or has other numbers is seen by the inventory.
"""

from __future__ import annotations

from harness.devices.base import DeviceSet, Host, Resources
from harness.model import Option

#: name -> what it is, and the bridges, each with `@` for the set's ids; the last one's bus is `@slot`
WAYS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("pcie-root-port", "NVMe disk behind a PCI Express root port", ("pcie-root-port,id=@slot,chassis=!1,slot=1",)),
    ("pci-bridge", "NVMe disk behind a PCI Express to PCI bridge", ("pcie-pci-bridge,id=@slot",)),
    (
        "pcie-switch",
        "NVMe disk behind a root port and a PCI Express switch",
        (
            "pcie-root-port,id=@root,chassis=!2,slot=2",
            "x3130-upstream,id=@up,bus=@root",
            "xio3130-downstream,id=@slot,bus=@up,chassis=!3,slot=3",
        ),
    ),
)


def _filled(text: str, lent: Resources) -> str:
    return text.replace("@", lent.id("pci")).replace("!", str(lent.number + 1))


def _drive(lent: Resources) -> Option:
    return ("-drive", f"if=none,id={lent.id('data')},format=raw,file={lent.disk()},cache=writeback")


def _set(name: str, summary: str, bridges: tuple[str, ...]) -> DeviceSet:
    def options(lent: Resources) -> list[Option]:
        bus = f"{lent.id('pci')}slot" + (",addr=1" if name == "pci-bridge" else "")
        return [
            *(("-device", _filled(bridge, lent)) for bridge in bridges),
            _drive(lent),
            ("-device", f"nvme,drive={lent.id('data')},serial={lent.serial},bus={bus}"),
        ]

    return DeviceSet(
        name=name, summary=summary, options=options, script="storage.sh", driver="nvme", disks=1, values={"DISKS": "1"}
    )


def _plug(host: Host, lent: Resources) -> None:
    device = {"driver": "nvme", "drive": lent.id("data"), "serial": lent.serial, "bus": f"{lent.id('pci')}slot"}
    host.execute("device_add", {**device, "id": lent.id("plugged")})


HOT_PLUGGED = DeviceSet(
    name="pcie-hotplug",
    summary="NVMe disk that is plugged into a root port once the machine is up, and stays there",
    options=lambda lent: [("-device", _filled("pcie-root-port,id=@slot,chassis=!4,slot=4", lent)), _drive(lent)],
    script="storage.sh",
    driver="nvme",
    disks=1,
    values={"DISKS": "1"},
    plug=_plug,
)

DEVICE_SETS = (*(_set(*way) for way in WAYS), HOT_PLUGGED)
