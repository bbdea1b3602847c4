"""The root file system is full: a service that has to write cannot."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot
from harness.model import FailureClass

NAME = "disk-full"

FAULT = Fault(
    name=NAME,
    summary="the root file system is full",
    target=Target.USERSPACE,
    classes=(FailureClass.DEGRADED,),
    sabotage=unit_at_boot(
        """
dd if=/dev/zero of=/var/tmp/fill bs=1M
head -c 4000000 /dev/urandom >/var/tmp/needed
"""
    ),
)
