"""Serial ports of virtio: a port gives back what is written to it; a console is the kernel's, next to ttyS0."""

from __future__ import annotations

from harness.devices.base import DeviceSet, Host, Resources
from harness.model import DeviceFinding

LOG = "hvc.log"
#: what the guest's script has the kernel say
MESSAGE = "kexec-harness: is this heard?"
#: bytes at the end of the console's log that are looked at
TAIL_BYTES = 1 << 20


def look(_: Host, lent: Resources) -> tuple[DeviceFinding, ...]:
    """Whether the message that the guest's script has given its kernel came out of the console."""
    path = lent.folder / f"{LOG}{lent.suffix}"
    text = path.read_bytes()[-TAIL_BYTES:]
    said = MESSAGE.encode() in text
    finding = DeviceFinding(
        "messages", ok=said, detail=f"{len(text)} bytes came out of the console since the last look"
    )
    # What the next look finds was said after this one.
    path.write_bytes(b"")
    return (finding,)


DEVICE_SETS = (
    DeviceSet(
        name="virtio-serial",
        summary="virtio serial controller with a named port",
        options=lambda lent: [
            ("-device", f"virtio-serial-pci,id={lent.id('serial')}"),
            (
                "-device",
                f"virtserialport,bus={lent.id('serial')}.0,chardev={lent.echo_chardev},name=kexec.echo",
            ),
        ],
        script="console.sh",
        driver="virtio_console",
        values={"PORT": "kexec.echo"},
    ),
    DeviceSet(
        name="virtio-console",
        summary="virtio console as the kernel's console (console=hvc0), next to ttyS0",
        options=lambda lent: [
            ("-chardev", f"file,id={lent.id('hvc')},path={lent.folder}/{LOG}{lent.suffix},append=on"),
            ("-device", f"virtio-serial-pci,id={lent.id('serial')}"),
            ("-device", f"virtconsole,bus={lent.id('serial')}.0,chardev={lent.id('hvc')}"),
        ],
        script="console.sh",
        driver="virtio_console",
        values={"PORT": "", "MESSAGE": MESSAGE},
        # ttyS0 stays the last one, which /dev/console is.
        words=("console=hvc0", "console=ttyS0,115200n8"),
        look=look,
    ),
)
