"""A disk of fstab gives an error for each read; nothing depends on it."""

from __future__ import annotations

from harness.faults.base import Fault, Hands, Target
from harness.faults.disks import plug_unreadable_disk
from harness.faults.slots import FREE_SLOT
from harness.model import FailureClass

NAME = "disk-unreadable"


def _plug(hands: Hands) -> None:
    plug_unreadable_disk(hands, FREE_SLOT)


FAULT = Fault(
    name=NAME,
    summary="a disk whose every read fails",
    target=Target.DEVICE,
    classes=(FailureClass.DEGRADED, FailureClass.DEVICE_FAILED),
    sabotage="echo '/dev/vdb /mnt ext4 nofail,x-systemd.device-timeout=30 0 0' >>/etc/fstab",
    act=_plug,
    spoils_machine=True,
)
