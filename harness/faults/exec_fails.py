"""The last step fails: `kexec --exec` returns, and the normal reboot follows."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import FailureClass

NAME = "exec-fails"

FAULT = Fault(
    name=NAME,
    summary="kexec --exec returns with an error",
    target=Target.HANDOFF,
    classes=(FailureClass.FELL_BACK_TO_FIRMWARE,),
    sabotage=r"""
kexec=$(command -v kexec)
mv "$kexec" "$kexec.real"
printf '#!/bin/sh\n[ "$1" != --exec ] || exit 7\nexec %s.real "$@"\n' "$kexec" >"$kexec"
chmod +x "$kexec"
""",
)
