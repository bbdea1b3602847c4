"""A kernel of the old zImage format (loadflags at 0x211), which neither system call loads: ENOEXEC."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import with_kernel_written
from harness.model import Blame, FailureClass

NAME = "image-refused"

FAULT = Fault(
    name=NAME,
    summary="a kernel image that both system calls refuse",
    target=Target.LOAD,
    classes=(FailureClass.LOAD_REFUSED,),
    blame=Blame.LOADER,
    sabotage=with_kernel_written("0x211", r"\0"),
)
