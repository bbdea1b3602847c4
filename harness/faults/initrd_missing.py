"""kexec-load is told of an initrd that does not exist: it stands aside."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import kexec_load_settings
from harness.model import Blame, FailureClass

NAME = "initrd-missing"

FAULT = Fault(
    name=NAME,
    summary="the settings name an initrd that does not exist",
    target=Target.LOAD,
    classes=(FailureClass.STOOD_ASIDE,),
    blame=Blame.LOADER,
    sabotage=kexec_load_settings("KERNEL=/vmlinuz", "INITRD=/root/missing"),
)
