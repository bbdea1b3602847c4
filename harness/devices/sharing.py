"""Folders of the host in the guest: what was written before the reboot, with the folder mounted during it, is there."""

from __future__ import annotations

from harness.devices.base import DeviceSet, Host, Resources
from harness.host.helpers import Helper
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
        ("-fsdev", f"local,id={share},path={lent.lent_folder(SHARED)},security_model=mapped-file"),
        ("-device", f"virtio-9p-pci,fsdev={share},mount_tag=kexec-harness"),
    ]


def _virtiofsd(lent: Resources) -> Helper:
    place = lent.lent_folder(SHARED)
    # The one that came with QEMU until 7.2 and the one in Rust understand these.
    socket = lent.folder / f"virtiofs{lent.suffix}.sock"
    return Helper(
        program="virtiofsd",
        package="virtiofsd",
        arguments=(f"--socket-path={socket}", "-o", f"source={place}", "-o", "sandbox=chroot"),
        socket=socket,
    )


def _virtiofs(lent: Resources) -> list[Option]:
    channel, memory = lent.id("virtiofs"), lent.id("shared-memory")
    return [
        ("-chardev", f"socket,id={channel},path={lent.folder}/virtiofs{lent.suffix}.sock"),
        ("-device", f"vhost-user-fs-pci,chardev={channel},tag=kexec-harness"),
        # The daemon reads and writes the guest's memory, all of it.
        ("-object", f"memory-backend-memfd,id={memory},share=on,size=1024M"),
        ("-machine", f"memory-backend={memory}"),
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
    DeviceSet(
        name="virtio-fs",
        summary="folder of the host over virtio-fs, served by virtiofsd (for MEMORY=1024)",
        options=_virtiofs,
        script="sharing.sh",
        driver="virtiofs",
        folders=(SHARED,),
        helper=_virtiofsd,
        look=_look,
        values={"TYPE": "virtiofs", "OPTIONS": "defaults"},
    ),
)
