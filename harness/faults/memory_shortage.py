"""So little memory is left that kernel and initrd do not fit: ENOMEM, or kexec is killed."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import INITRD_COPY, kexec_load_settings
from harness.model import FailureClass

NAME = "memory-shortage"

#: An initrd that takes 64 MiB more: what is loaded takes more than the services that end before it give back.
_BALLAST = f"""
set -e
cd /root
head -c 64M /dev/zero >ballast
echo ballast | busybox cpio -o -H newc >{INITRD_COPY}
cat /initrd.img >>{INITRD_COPY}
rm ballast
{kexec_load_settings("KERNEL=/vmlinuz", f"INITRD={INITRD_COPY}")}
sync
"""

#: the script of benchmarks and scenarios: files in memory that nothing can drop
_FILL = """
mount -o remount,size=100% /dev/shm
available=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
dd if=/dev/zero of=/dev/shm/fill bs=1M count=$((available - 40)) 2>/dev/null
"""

FAULT = Fault(
    name=NAME,
    summary="memory is filled but for 40 MiB, where kernel and initrd take more than twice as much",
    target=Target.LOAD,
    classes=(FailureClass.LOAD_REFUSED,),
    sabotage=_BALLAST + _FILL,
)
