"""The administrator's mask keeps systemd from rebooting: the request is refused."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import Blame, FailureClass, Stage

NAME = "reboot-target-masked"

FAULT = Fault(
    name=NAME,
    summary="reboot.target is masked",
    target=Target.SHUTDOWN,
    classes=(FailureClass.NO_REBOOT,),
    stage=Stage.SHUTDOWN,
    blame=Blame.USERSPACE,
    method="cold",
    sabotage="systemctl mask reboot.target",
    quick=True,
)
