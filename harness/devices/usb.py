"""USB controllers: keyboard, tablet and a mouse are on the bus, some behind a hub, and bound to their drivers."""

from __future__ import annotations

from msgspec import Struct

from harness.devices.base import DeviceSet, Resources
from harness.model import Option


class Row(Struct, frozen=True, kw_only=True):
    """One line of the table."""

    name: str
    controller: str
    driver: str
    module: str
    summary: str
    #: port -> device; QEMU's hub has USB 1.1, which a USB 2.0 controller without companions does not speak
    ports: dict[str, str]
    #: version of USB that the devices have
    version: int = 1


BEHIND_A_HUB = {"1": "usb-kbd", "2": "usb-hub", "2.1": "usb-tablet", "2.2": "usb-mouse"}

ROWS = (
    Row(
        name="usb-uhci",
        controller="piix3-usb-uhci",
        driver="uhci_hcd",
        module="uhci_hcd",
        summary="USB 1.1 controller (PIIX3): keyboard, and behind a hub tablet and mouse",
        ports=BEHIND_A_HUB,
    ),
    Row(
        name="usb-ehci",
        controller="usb-ehci",
        driver="ehci-pci",
        module="ehci_pci",
        summary="USB 2.0 controller without companions: keyboard, tablet, mouse",
        ports={"1": "usb-kbd", "2": "usb-tablet", "3": "usb-mouse"},
        version=2,
    ),
    Row(
        name="usb-xhci",
        controller="qemu-xhci",
        driver="xhci_hcd",
        module="xhci_pci",
        summary="USB 3 controller: keyboard, and behind a hub tablet and mouse",
        ports=BEHIND_A_HUB,
    ),
    Row(
        name="usb-xhci-nec",
        controller="nec-usb-xhci",
        driver="xhci_hcd",
        module="xhci_pci",
        summary="the same, NEC's",
        ports=BEHIND_A_HUB,
    ),
)
#: what the guest calls them
INPUTS = ("QEMU QEMU USB Keyboard", "QEMU QEMU USB Tablet", "QEMU QEMU USB Mouse")


def _options(row: Row, lent: Resources) -> list[Option]:
    bus = lent.id("usb")
    options = [("-device", f"{row.controller},id={bus}")]
    for port, kind in row.ports.items():
        version = "" if kind == "usb-hub" else f",usb_version={row.version}"
        options.append(("-device", f"{kind},bus={bus}.0,port={port}{version}"))
    return options


def _set(row: Row) -> DeviceSet:
    return DeviceSet(
        name=row.name,
        summary=row.summary,
        options=lambda lent: _options(row, lent),
        script="input.sh",
        driver=row.driver,
        modules=(row.module, "usbhid", "hid-generic"),
        values={"INPUTS": "|".join(INPUTS)},
    )


DEVICE_SETS = tuple(map(_set, ROWS))
