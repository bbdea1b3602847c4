"""The next kernel's command line names a root file system that does not exist."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import FailureClass, Stage

NAME = "root-missing"

FAULT = Fault(
    name=NAME,
    summary="root= names a file system that does not exist",
    target=Target.KERNEL,
    classes=(FailureClass.ROOT_NOT_FOUND,),
    stage=Stage.INITRD,
    words="root=LABEL=missing rootdelay=2",
)
