"""Network cards: the interface is up, has an address by DHCP, and a megabyte goes to the host and back.

A row is a card: name, QEMU's device, the driver, what it is, and since which release QEMU has it.
"""

from __future__ import annotations

from harness.devices.base import ECHO_PORT, DeviceSet, Resources
from harness.model import Option

CARDS = (
    ("virtio-net", "virtio-net-pci", "virtio_net", "virtio network card on PCI"),
    ("virtio-net-modern", "virtio-net-pci-non-transitional", "virtio_net", "the same, virtio 1.0 only"),
    ("virtio-net-transitional", "virtio-net-pci-transitional", "virtio_net", "the same, with virtio 0.9's registers"),
    ("e1000", "e1000", "e1000", "Intel 82540EM gigabit network card"),
    ("e1000e", "e1000e", "e1000e", "Intel 82574L gigabit network card"),
    ("igb", "igb", "igb", "Intel 82576 gigabit network card, several queues", "8.0"),
    ("rtl8139", "rtl8139", "8139cp|8139too", "Realtek RTL8139 network card"),
    ("vmxnet3", "vmxnet3", "vmxnet3", "VMware's network card"),
    ("pcnet", "pcnet", "pcnet32", "AMD PCnet-PCI II network card"),
    ("tulip", "tulip", "tulip", "Digital 21143 Tulip network card"),
    ("ne2k", "ne2k_pci", "ne2k-pci", "NE2000 clone on PCI, Realtek RTL8029"),
    ("i82557", "i82557b", "e100", "Intel 82557 network card"),
    ("i82559", "i82559c", "e100", "Intel 82559 network card"),
    ("i82550", "i82550", "e100", "Intel 82550 network card"),
    ("i82801", "i82801", "e100", "network card of Intel's 82801 chipset"),
)


def _network(lent: Resources) -> Option:
    # restrict=on: the guest reaches nothing but the echo service.
    forward = f"guestfwd=tcp:{lent.echo_address}:{ECHO_PORT}-chardev:{lent.echo_chardev}"
    # The first network is the one that QEMU gives unless told otherwise.
    subnet = f"net={lent.echo_network}.0/24," if lent.number else ""
    return ("-netdev", f"user,id={lent.id('net')},restrict=on,{subnet}{forward}")


def _card(device: str, lent: Resources) -> Option:
    return ("-device", f"{device},netdev={lent.id('net')},mac=52:{lent.mac_end}")


def _set(name: str, device: str, driver: str, summary: str, since: str = "") -> DeviceSet:
    return DeviceSet(
        name=name,
        summary=summary,
        options=lambda lent: [_network(lent), _card(device, lent)],
        script="network.sh",
        driver=driver,
        since=since,
    )


def _on_usb(lent: Resources) -> list[Option]:
    option, value = _card("usb-net", lent)
    controller = lent.id("usb")
    return [_network(lent), ("-device", f"qemu-xhci,id={controller}"), (option, f"{value},bus={controller}.0")]


DEVICE_SETS = (
    *(_set(*card) for card in CARDS),
    DeviceSet(
        name="usb-net",
        summary="network card on USB, behind an xHCI controller",
        options=_on_usb,
        script="network.sh",
        driver="cdc_ether|rndis_host",
        modules=("xhci_pci", "cdc_ether|rndis_host"),
    ),
)
