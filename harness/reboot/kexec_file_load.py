"""kexec-file-load: as `kexec`, loaded by kexec_file_load(2) alone, which checks signatures."""

from __future__ import annotations

from harness.model import BootPath
from harness.reboot.base import REBOOT, Method
from harness.reboot.kexec import arm

NAME = "kexec-file-load"

METHOD = Method(
    name=NAME,
    summary="a reboot with kexec-load in service, which uses kexec_file_load only",
    path=BootPath.KEXEC,
    arm=lambda nonce: arm(nonce, "LOAD_CALL=kexec_file_load"),
    trigger=REBOOT,
)
