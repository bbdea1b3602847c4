"""Half of an initrd: kexec-load stands aside, where the kernel would have panicked."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import INITRD_COPY, kexec_load_settings
from harness.model import Blame, FailureClass

NAME = "initrd-truncated"

FAULT = Fault(
    name=NAME,
    summary="the settings name an initrd that was cut short",
    target=Target.LOAD,
    classes=(FailureClass.STOOD_ASIDE,),
    blame=Blame.LOADER,
    sabotage=f"head -c $(($(wc -c </initrd.img) / 2)) /initrd.img >{INITRD_COPY}\n"
    + kexec_load_settings("KERNEL=/vmlinuz", f"INITRD={INITRD_COPY}"),
)
