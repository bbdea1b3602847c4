"""The administrator has taken the wrong word: what was to restart the machine starts userspace anew, and no kernel."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import Blame, FailureClass, Stage

NAME = "soft-reboot-instead-of-cold"
DROP_IN = "/run/systemd/system/systemd-reboot.service.d"

FAULT = Fault(
    name=NAME,
    summary="systemd-reboot.service ends in a soft reboot",
    target=Target.SHUTDOWN,
    classes=(FailureClass.UNEXPECTED_SOFT_REBOOT,),
    stage=Stage.SHUTDOWN,
    blame=Blame.USERSPACE,
    method="cold",
    sabotage=f"""
set -e
mkdir -p {DROP_IN}
printf '%s\\n' '[Unit]' 'SuccessAction=soft-reboot-force' >{DROP_IN}/fault.conf
systemctl daemon-reload
""",
    # systemd has it since 254.
    images=("debian-13", "debian-13-backports", "debian-sid"),
)
