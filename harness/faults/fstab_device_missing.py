"""A line of fstab names a device that does not come: systemd gives up the boot."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import Blame, FailureClass, Stage

NAME = "fstab-device-missing"

FAULT = Fault(
    name=NAME,
    summary="fstab names a device that does not exist",
    target=Target.USERSPACE,
    classes=(FailureClass.EMERGENCY_MODE,),
    stage=Stage.USERSPACE,
    blame=Blame.USERSPACE,
    sabotage="echo 'LABEL=missing /mnt ext4 x-systemd.device-timeout=3 0 0' >>/etc/fstab",
)
