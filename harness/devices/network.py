"""Network cards: the interface is up, has an address by DHCP, and a megabyte goes to the host and back."""

from __future__ import annotations

from harness.devices.base import ECHO_ADDRESS, ECHO_PORT, DeviceSet, Resources
from harness.model import Option


def _card(model: str) -> list[Option]:
    return [("-device", f"{model},netdev=net0,mac=52:54:00:6b:78:01")]


def _network(resources: Resources) -> list[Option]:
    # restrict=on: the guest reaches nothing but the echo service.
    forward = f"guestfwd=tcp:{ECHO_ADDRESS}:{ECHO_PORT}-chardev:{resources.echo_chardev}"
    return [("-netdev", f"user,id=net0,restrict=on,{forward}")]


def _set(name: str, model: str, driver: str, summary: str) -> DeviceSet:
    return DeviceSet(
        name=name,
        summary=summary,
        options=lambda resources: _network(resources) + _card(model),
        script="network.sh",
        driver=driver,
    )


DEVICE_SETS = (
    _set("virtio-net", "virtio-net-pci", "virtio_net", "virtio network card on PCI"),
    _set("e1000e", "e1000e", "e1000e", "Intel 82574L gigabit network card"),
)
