"""What the guest shows of its devices: their list after the first cold boot, and that they work after each reboot.

Both come after the reboot that is measured, and are the same for every method.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from harness.classify.milestones import IDENTIFY
from harness.devices import inventory
from harness.devices.base import DeviceSet, parse_findings
from harness.devices.inventory import Inventory
from harness.errors import MachineError, Unsupported
from harness.model import DeviceFinding
from harness.qemu.machine import Machine, Monitor

LISTING_TIMEOUT_S = 120.0
#: for the first device set of a machine, and for each further one
CHECK_TIMEOUT_S, MORE_TIMEOUT_S = 240.0, 60.0


class HostSide(Struct, frozen=True):
    """A machine's folder and its monitor, as device sets want them."""

    folder: Path
    monitor: Monitor

    def execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """Run a QMP command. Raises MachineError."""
        return self.monitor.execute(command, arguments)


def _host_side(machine: Machine) -> HostSide | None:
    """None for a recording, and for a machine that has ended."""
    inside = machine.inspect()
    if inside is None or inside.monitor is None:
        return None
    return HostSide(inside.spec.folder, inside.monitor)


def plug_devices(machine: Machine, device_set: DeviceSet) -> None:
    """Do what the host has to do for the devices once the machine is up. Raises MachineError."""
    host = _host_side(machine)
    if host is not None:
        device_set.plug_all(host)


def list_devices(machine: Machine, device_set: DeviceSet, kernel: str) -> Inventory:
    """The devices of a guest that runs `kernel` and has come up through its firmware.

    Raises Unsupported if its kernel has no driver for the device set, MachineError if it cannot be asked.
    """
    script = inventory.script(modules=device_set.modules_needed)
    reply = machine.run(script, purpose="device-baseline", timeout=LISTING_TIMEOUT_S)
    listing = inventory.parse(reply.output)
    if listing.lacking:
        module, release = listing.lacking[0]
        raise Unsupported(f"the kernel {release[:80]} has no module {module.replace('|', ' or ')[:80]}")
    return Inventory(kernel, listing.devices, listing.sum)


def check_devices(
    machine: Machine, device_set: DeviceSet, nonce: str, kernel: str, usual: Inventory | None = None
) -> tuple[DeviceFinding, ...]:
    """Let the guest show that its devices work, and are those that `usual` lists.

    A guest that does not answer has not shown it.
    """
    try:
        listing_first = inventory.script(usual.sum) if usual is not None else ""
        script = IDENTIFY + listing_first + device_set.after(nonce)
        timeout = CHECK_TIMEOUT_S + MORE_TIMEOUT_S * (len(device_set.members) - 1)
        reply = machine.run(script, purpose="device-after", timeout=timeout)
    except MachineError as error:
        return (DeviceFinding("answer", ok=False, detail=str(error)),)
    changed = _changed(usual, kernel, reply.output) if usual is not None else ()
    findings = parse_findings(reply.output)
    if findings and reply.status != 0:
        cut_short = DeviceFinding("answer", ok=False, detail=f"the check was cut short, with status {reply.status}")
        return (*changed, *findings, cut_short)
    if not findings:
        said = reply.output.strip()[:200] or "(nothing)"
        return (
            *changed,
            DeviceFinding("answer", ok=False, detail=f"the check ended with status {reply.status}: {said}"),
        )
    return (*changed, *findings, *_seen_by_host(machine, device_set))


def _seen_by_host(machine: Machine, device_set: DeviceSet) -> tuple[DeviceFinding, ...]:
    try:
        host = _host_side(machine)
        return device_set.look_at_all(host) if host is not None else ()
    except MachineError as error:
        return (DeviceFinding("host", ok=False, detail=str(error)),)


def _changed(usual: Inventory, kernel: str, output: str) -> tuple[DeviceFinding, ...]:
    listing = inventory.parse(output)
    return inventory.compare(usual, Inventory(kernel, listing.devices, listing.sum))
