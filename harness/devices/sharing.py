"""Folders of the host in the guest: what was written before the reboot, with the folder mounted during it, is there."""

from __future__ import annotations

from harness.devices.base import DeviceSet, Host, Resources
from harness.model import DeviceFinding, Option

SHARED = "shared"
#: name of the file that the guest writes
FILE = "pattern"


def _look(_: Host, lent: Resources) -> tuple[DeviceFinding, ...]:
    """Whether the guest's file has come to the host."""
    path = lent.lent_folder(SHARED) / FILE
    size = path.stat().st_size if path.exists() else 0
    return (DeviceFinding("shared", ok=size > 0, detail=f"the host has {size} bytes of what the guest has written"),)


def _9p(lent: Resources) -> list[Option]:
    share = lent.id("share")
    return [
        ("-fsdev", f"local,id={share},path={lent.lent_folder(SHARED)},security_model=mapped-xattr"),
        ("-device", f"virtio-9p-pci,fsdev={share},mount_tag=kexec-harness"),
    ]


DEVICE_SETS = (
    DeviceSet(
        name="9p",
        summary="folder of the host over 9P on virtio",
        options=_9p,
        script="sharing.sh",
        driver="9pnet_virtio",
        modules=("9pnet_virtio", "9p"),
        folders=(SHARED,),
        look=_look,
        values={"TYPE": "9p", "OPTIONS": "trans=virtio,version=9p2000.L,msize=131072"},
    ),
)
