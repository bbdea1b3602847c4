"""The running kernel allows no load any more."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import Blame, FailureClass

NAME = "load-disabled"

FAULT = Fault(
    name=NAME,
    summary="kernel.kexec_load_disabled is set",
    target=Target.LOAD,
    classes=(FailureClass.STOOD_ASIDE,),
    blame=Blame.LOADER,
    sabotage="echo 1 >/proc/sys/kernel/kexec_load_disabled",
    quick=True,
)
