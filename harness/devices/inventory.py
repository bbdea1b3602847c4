"""What devices the guest sees, where, and with which driver: listed after the first cold boot, and held against that.

A device has a place that is the same after every boot: its PCI address, or the path from its controller's PCI address
on, without the numbers that Linux gives in the order in which it happens to find things.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from importlib import resources

from msgspec import Struct

from harness.model import DeviceFinding

#: below /sys/bus; network interfaces are listed, too
BUSES = ("pci", "usb", "scsi", "virtio", "mmc", "cpu")
#: of what is wrong, as many findings
MAX_FINDINGS = 20
#: files of /sys that make a device's id, in this order
ID_FILES = ("vendor", "device", "idVendor", "idProduct", "model", "name")
PCI_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]")
#: numbers in the order of finding -> what stands for them
RUNNING_NUMBERS = (
    (re.compile(r"^(virtio|usb|host|ata|mmc|session|end_device|port|phy|expander)[\d-][\d:-]*$"), r"\1"),
    (re.compile(r"^(target)?\d+:(\d+:\d+(?::\d+)?)$"), r"\1:\2"),
    (re.compile(r"^\d+-([\d.]+(?::[\d.]+)?)$"), r"port \1"),
    (re.compile(r"^mmc\d+:([0-9a-f]+)$"), r"card \1"),
)


class Device(Struct, frozen=True):
    """One device: what it is, and the driver that is bound to it ("" for none)."""

    id: str
    driver: str


class Inventory(Struct, frozen=True):
    """Every device by its place, such as `pci 0000:00:03.0`."""

    kernel: str
    devices: Mapping[str, Device]
    #: checksum by which the guest knows the same listing again
    sum: str = ""


class Listing(Struct, frozen=True):
    """What the guest's script said: the devices, and the kernel modules that it lacks with its kernel's release."""

    devices: Mapping[str, Device]
    sum: str
    lacking: tuple[tuple[str, str], ...]


def script(wanted: str = "", modules: Sequence[str] = ()) -> str:
    """The guest's script. It waits for the listing with the checksum `wanted`, but not for long."""
    values = {"BUSES": " ".join(BUSES), "WANTED": wanted, "MODULES": " ".join(modules)}
    assignments = "\n".join(f"{name}={shlex.quote(value)}" for name, value in values.items())
    text = resources.files("harness.devices").joinpath("inventory.sh").read_text("utf-8")
    return f"{assignments}\n{text}\n"


def parse(output: str) -> Listing:
    """Read what the script said; lines that are not its own are passed over."""
    links: dict[str, str] = {}
    values: dict[str, str] = {}
    checksum, lacking = "", []
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        if word == "link" and " " in rest:
            path, target = rest.split(" ", 1)
            links[path] = target
        elif word == "value" and ":" in rest.partition("devices/")[2]:
            name = re.match(rf"(/sys/bus/.*/(?:{'|'.join(ID_FILES)})):(.*)", rest)
            if name:
                values[name[1]] = name[2].strip()
        elif word == "sum":
            checksum = rest
        elif word == "lacks" and " " in rest:
            module, release = rest.split(" ", 1)
            lacking.append((module, release))
    return Listing(_devices(links, values), checksum, tuple(lacking))


def _devices(links: Mapping[str, str], values: Mapping[str, str]) -> dict[str, Device]:
    found: dict[str, Device] = {}
    for path in sorted(links):
        bus = path.split("/")[3] if path.count("/") >= 4 else ""
        if path.endswith("/driver") or bus not in {*BUSES, "net"}:
            continue
        name = path.rpartition("/")[2]
        if bus == "net":
            identity, driver = name, ""
            if "/virtual/" in links[path]:
                continue
        else:
            parts = [values.get(f"{path}/{file}", "").removeprefix("0x") for file in ID_FILES]
            identity = ":".join(part for part in parts if part)
            driver = links.get(f"{path}/driver", "").rpartition("/")[2]
        place = f"{bus} {_place(links[path], bus)}"
        number = 2
        while place in found:
            place = f"{place.partition(' #')[0]} #{number}"
            number += 1
        found[place] = Device(identity, driver)
    return found


def _place(target: str, bus: str) -> str:
    steps = [step for step in target.split("/") if step not in {"..", "devices", ""}]
    if bus == "net":
        steps = steps[:-2]
    last_pci = max((number for number, step in enumerate(steps) if PCI_ADDRESS.fullmatch(step)), default=0)
    return "/".join([steps[last_pci], *map(_without_running_number, steps[last_pci + 1 :])])


def _without_running_number(step: str) -> str:
    for pattern, stands in RUNNING_NUMBERS:
        if pattern.match(step):
            return pattern.sub(stands, step)
    return step


def compare(before: Inventory, after: Inventory) -> tuple[DeviceFinding, ...]:
    """What has changed: `present` for what is gone, `bound` for another driver, `place` for what was not there.

    Another kernel may have other drivers, and what stands behind them: then only PCI's devices are compared.
    """
    same_kernel = before.kernel == after.kernel
    was, now = _compared(before, all_of_it=same_kernel), _compared(after, all_of_it=same_kernel)
    gone = [place for place, device in was.items() if place not in now or now[place].id != device.id]
    new = [place for place, device in now.items() if place not in was or was[place].id != device.id]
    findings = [DeviceFinding("present", ok=False, detail=_gone(place, was[place], now, new)) for place in gone]
    moved = {place for place in new if any(was[old].id == now[place].id for old in gone)}
    findings += [
        DeviceFinding("place", ok=False, detail=f"{place} ({now[place].id}) was not there after the first cold boot")
        for place in new
        if place not in moved
    ]
    findings += [
        DeviceFinding(
            "bound", ok=False, detail=f"{place} ({device.id}) has {_driver(now[place])}, had {_driver(device)}"
        )
        for place, device in was.items()
        if same_kernel and place not in gone and now[place].driver != device.driver
    ]
    if not findings:
        return (DeviceFinding("inventory", ok=True, detail=f"{len(now)} devices, all as after the first cold boot"),)
    return tuple(findings[:MAX_FINDINGS])


def _compared(inventory: Inventory, *, all_of_it: bool) -> dict[str, Device]:
    return {place: device for place, device in inventory.devices.items() if all_of_it or place.startswith("pci ")}


def _gone(place: str, device: Device, now: Mapping[str, Device], new: Sequence[str]) -> str:
    elsewhere = next((other for other in new if now[other].id == device.id), None)
    where = f"has moved to {elsewhere}" if elsewhere else "is gone"
    return f"{place} ({device.id}, {_driver(device)}) {where}"


def _driver(device: Device) -> str:
    return f"driver {device.driver}" if device.driver else "no driver"
