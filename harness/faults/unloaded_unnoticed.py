"""Somebody unloads the image behind kexec-load's back: a cold reboot, and nobody says why."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import FailureClass

NAME = "unloaded-unnoticed"

FAULT = Fault(
    name=NAME,
    summary="the loaded image is unloaded after kexec-load is done",
    target=Target.LOAD,
    classes=(FailureClass.FELL_BACK_TO_FIRMWARE,),
    sabotage="""
mkdir -p /run/systemd/system/kexec-load.service.d
printf '[Service]\\nExecStopPost=/sbin/kexec --unload\\n' >/run/systemd/system/kexec-load.service.d/fault.conf
systemctl daemon-reload
""",
)
