"""kexec-classic-load: as `kexec`, loaded by kexec_load(2) alone, where kexec-tools itself lays the kernel out."""

from __future__ import annotations

from harness.model import BootPath
from harness.reboot.base import REBOOT, Method
from harness.reboot.kexec import arm

NAME = "kexec-classic-load"

METHOD = Method(
    name=NAME,
    summary="a reboot with kexec-load in service, which uses kexec_load only",
    path=BootPath.KEXEC,
    arm=lambda nonce: arm(nonce, "LOAD_CALL=kexec_load"),
    trigger=REBOOT,
)
