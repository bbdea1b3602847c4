"""The kernel on disk resets the machine each time that GRUB starts it."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import FailureClass

NAME = "reboot-loop"

FAULT = Fault(
    name=NAME,
    summary="GRUB's kernel triple-faults, again and again",
    target=Target.HANDOFF,
    classes=(FailureClass.REBOOT_LOOP,),
    method="cold",
    sabotage="""
set -e
kernel=$(readlink -f /vmlinuz)
sectors=$(od -An -tu1 -j 497 -N 1 "$kernel" | tr -d ' ')
# The 32-bit entry, which GRUB takes on a BIOS, is where the code begins.
printf '\\017\\013' | dd of="$kernel" bs=1 seek=$(((sectors + 1) * 512)) conv=notrunc status=none
sync
""",
)
