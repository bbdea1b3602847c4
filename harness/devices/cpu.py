"""CPUs: as many as there were come back, each runs a program, and they are on the nodes that they were on.

Before the reboot one may be taken offline, which a kernel that is started by kexec has to bring up again.
"""

from __future__ import annotations

from harness.devices.base import DeviceSet, Host, Resources
from harness.model import Option


def _set(name: str, summary: str, *options: Option, cpus: int, **values: str) -> DeviceSet:
    return DeviceSet(
        name=name,
        summary=summary,
        options=lambda _: list(options),
        script="cpu.sh",
        driver="processor",
        modules=(),
        values={"CPUS": str(cpus), "OFFLINE": "", "NODES": "1", **values},
    )


def _plug(host: Host, _: Resources) -> None:
    """Plug in the first CPU that there is room for."""
    free = [slot for slot in host.execute("query-hotpluggable-cpus") if "qom-path" not in slot]
    slot = min(free, key=lambda slot: sorted(slot["props"].items()))
    host.execute("device_add", {"driver": slot["type"], "id": "plugged-cpu", **slot["props"]})


HOT_PLUGGED = DeviceSet(
    name="cpu-hotplug",
    summary="two CPUs, and one that is plugged in once the machine is up",
    options=lambda _: [("-smp", "cpus=2,maxcpus=4")],
    script="cpu.sh",
    driver="processor",
    modules=(),
    values={"CPUS": "3", "OFFLINE": "", "NODES": "1"},
    plug=_plug,
)

DEVICE_SETS = (
    _set("smp-1", "one CPU", ("-smp", "cpus=1"), cpus=1),
    _set("smp-4", "four CPUs", ("-smp", "cpus=4"), cpus=4),
    _set("cpu-offline", "two CPUs, one of them offline at the reboot", ("-smp", "cpus=2"), cpus=2, OFFLINE="1"),
    _set(
        "numa",
        "two NUMA nodes with a CPU and half of the memory each",
        ("-smp", "cpus=2,sockets=2"),
        ("-object", "memory-backend-ram,id=node0,size=512M"),
        ("-object", "memory-backend-ram,id=node1,size=512M"),
        ("-numa", "node,nodeid=0,cpus=0,memdev=node0"),
        ("-numa", "node,nodeid=1,cpus=1,memdev=node1"),
        cpus=2,
        NODES="2",
    ),
    HOT_PLUGGED,
)
