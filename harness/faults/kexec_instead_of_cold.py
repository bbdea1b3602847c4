"""A hook of somebody else's executes a kernel where the reboot was to go through firmware."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import at_the_very_end
from harness.model import FailureClass

NAME = "kexec-instead-of-cold"

FAULT = Fault(
    name=NAME,
    summary="a kernel is loaded and executed in the cold arm",
    target=Target.HANDOFF,
    classes=(FailureClass.UNEXPECTED_KEXEC,),
    method="cold",
    # What is loaded any earlier, kexec-load unloads.
    sabotage=at_the_very_end("kexec --load /vmlinuz --initrd=/initrd.img --reuse-cmdline && kexec --exec"),
)
