"""A task waits for a file system that is frozen, for longer than a task may wait."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot
from harness.model import FailureClass

NAME = "hung-task"

FAULT = Fault(
    name=NAME,
    summary="a write to a frozen file system",
    target=Target.KERNEL,
    classes=(FailureClass.HUNG_TASK,),
    sabotage="mkfs.ext4 -q -F /dev/vda3\n"
    + unit_at_boot(
        """
echo 2 >/proc/sys/kernel/hung_task_timeout_secs
mount /dev/vda3 /mnt
fsfreeze --freeze /mnt
touch /mnt/file &
sleep 9
fsfreeze --unfreeze /mnt
"""
    ),
)
