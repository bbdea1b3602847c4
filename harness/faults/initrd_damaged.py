"""The operator's own image has an initrd whose compressed data are damaged."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import INITRD_COPY, operators_image
from harness.model import FailureClass

NAME = "initrd-damaged"

FAULT = Fault(
    name=NAME,
    summary="bytes in the middle of the initrd are overwritten",
    target=Target.KERNEL,
    classes=(FailureClass.INITRAMFS_UNPACK,),
    method="systemctl-kexec",
    sabotage=f"""
cp /initrd.img {INITRD_COPY}
size=$(stat -c %s {INITRD_COPY})
yes damaged | head -c 65536 | dd of={INITRD_COPY} bs=1 seek=$((size - 3000000)) conv=notrunc status=none
"""
    + operators_image("/vmlinuz", INITRD_COPY),
)
