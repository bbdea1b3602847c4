"""The operator's own image has an initrd that is no archive at all."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import INITRD_COPY, operators_image
from harness.model import FailureClass

NAME = "initrd-is-garbage"

FAULT = Fault(
    name=NAME,
    summary="an initrd of random bytes",
    target=Target.KERNEL,
    classes=(FailureClass.INITRAMFS_UNPACK,),
    method="systemctl-kexec",
    sabotage=f"head -c 4000000 /dev/urandom >{INITRD_COPY}\n" + operators_image("/vmlinuz", INITRD_COPY),
)
