"""The initrd belongs to another kernel: its modules do not load, and no driver finds the root."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import KERNEL_COPY, kexec_load_settings, spare_kernel
from harness.model import FailureClass, Stage

NAME = "foreign-initrd"

FAULT = Fault(
    name=NAME,
    summary="a spare kernel with the initrd of the running one",
    target=Target.KERNEL,
    classes=(FailureClass.ROOT_NOT_FOUND,),
    stage=Stage.INITRD,
    sabotage=spare_kernel(KERNEL_COPY) + kexec_load_settings(f"KERNEL={KERNEL_COPY}", "INITRD=/initrd.img"),
    words="rootdelay=2",
)
