"""Memory: as much as there is to be, after the reboot as before it, and what persists is read back.

Some of it was taken away (a balloon) or added while the machine runs: a kernel started by kexec has to find out.
Machines have 1024 MiB (`MEMORY`) to begin with, which the limits are made for.
"""

from __future__ import annotations

from harness.devices.base import DISK_MIB, DeviceSet, Host, Resources
from harness.model import Option

#: slots and addresses for more memory than the machine starts with; the same for each set, so that several agree
ROOM: Option = ("-m", "slots=8,maxmem=8192M")
#: hot-added memory is used at once, without anybody's asking
ONLINE = "memhp_default_state=online"
MIB = 1 << 20
BALLOON_MIB = 768
HUGE_PAGES = 32


def _inflate(host: Host, _: Resources) -> None:
    host.execute("balloon", {"value": BALLOON_MIB * MIB})


def _plug_dimm(host: Host, lent: Resources) -> None:
    backend = lent.id("dimm-memory")
    host.execute("object-add", {"qom-type": "memory-backend-ram", "id": backend, "size": 256 * MIB})
    host.execute("device_add", {"driver": "pc-dimm", "id": lent.id("dimm"), "memdev": backend})


def _virtio_mem(lent: Resources) -> list[Option]:
    backend = lent.id("virtio-mem-memory")
    return [
        ROOM,
        ("-object", f"memory-backend-ram,id={backend},size=1024M"),
        ("-device", f"virtio-mem-pci,memdev={backend},requested-size=512M"),
    ]


def _nvdimm(lent: Resources) -> list[Option]:
    backend = lent.id("nvdimm-memory")
    return [
        ("-machine", "nvdimm=on"),
        ROOM,
        ("-object", f"memory-backend-file,id={backend},share=on,mem-path={lent.disk()},size={DISK_MIB}M"),
        ("-device", f"nvdimm,memdev={backend}"),
    ]


def _limits(least: int, most: int) -> dict[str, str]:
    """MiB in MemTotal of proc_meminfo(5), which is less than there is by what the kernel keeps for itself."""
    return {"LEAST_MIB": str(least), "MOST_MIB": str(most)}


DEVICE_SETS = (
    DeviceSet(
        name="virtio-balloon",
        summary=f"virtio balloon that leaves the guest {BALLOON_MIB} MiB, and is inflated when the reboot begins",
        options=lambda _: [("-device", "virtio-balloon-pci")],
        script="memory.sh",
        driver="virtio_balloon",
        plug=_inflate,
        values=_limits(BALLOON_MIB - 160, BALLOON_MIB),
    ),
    DeviceSet(
        name="virtio-mem",
        summary="virtio memory device that adds 512 MiB",
        options=_virtio_mem,
        script="memory.sh",
        driver="virtio_mem",
        words=(ONLINE,),
        values=_limits(1024 + 512 - 224, 1024 + 512),
    ),
    DeviceSet(
        name="dimm-hotplug",
        summary="DIMM of 256 MiB that is plugged in once the machine is up",
        options=lambda _: [ROOM],
        script="memory.sh",
        driver="",
        modules=(),
        words=(ONLINE,),
        plug=_plug_dimm,
        values=_limits(1024 + 256 - 224, 1024 + 256),
    ),
    DeviceSet(
        name="nvdimm",
        summary="NVDIMM with a pattern on it",
        options=_nvdimm,
        script="memory.sh",
        driver="nd_pmem",
        disks=1,
        values={"PMEM": "/dev/pmem0"},
    ),
    DeviceSet(
        name="hugepages",
        summary=f"{HUGE_PAGES} huge pages, in use when the reboot begins",
        options=lambda _: [],
        script="memory.sh",
        driver="",
        modules=(),
        words=(f"hugepages={HUGE_PAGES}",),
        values={"HUGE_PAGES": str(HUGE_PAGES)},
    ),
)
