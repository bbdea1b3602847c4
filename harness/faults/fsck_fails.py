"""A file system of fstab is damaged beyond what fsck repairs by itself."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import FailureClass, Stage

NAME = "fsck-fails"

FAULT = Fault(
    name=NAME,
    summary="a damaged file system in fstab, to be checked at boot",
    target=Target.USERSPACE,
    classes=(FailureClass.FSCK_FAILED,),
    stage=Stage.USERSPACE,
    sabotage="""
set -e
mkfs.ext4 -q -F /dev/vda3
debugfs -w -R 'clri <2>' /dev/vda3
debugfs -w -R 'set_super_value state 2' /dev/vda3
echo '/dev/vda3 /mnt ext4 defaults 0 2' >>/etc/fstab
sync
""",
)
