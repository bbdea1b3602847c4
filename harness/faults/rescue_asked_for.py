"""The next kernel's command line asks for the rescue shell."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import FailureClass, Stage

NAME = "rescue-asked-for"

FAULT = Fault(
    name=NAME,
    summary="systemd.unit=rescue.target on the next command line",
    target=Target.USERSPACE,
    classes=(FailureClass.EMERGENCY_MODE,),
    stage=Stage.USERSPACE,
    words="systemd.unit=rescue.target",
)
