"""So little memory is left that kernel and initrd do not fit: ENOMEM, or kexec is killed."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.model import FailureClass

NAME = "memory-shortage"

#: the script of benchmarks and scenarios: files in memory that nothing can drop
_FILL = """
mount -o remount,size=100% /dev/shm
available=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
dd if=/dev/zero of=/dev/shm/fill bs=1M count=$((available - 40)) 2>/dev/null
"""

FAULT = Fault(
    name=NAME,
    summary="memory is filled but for 40 MiB",
    target=Target.LOAD,
    classes=(FailureClass.LOAD_REFUSED,),
    sabotage=_FILL,
)
