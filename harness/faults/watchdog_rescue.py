"""The new system hangs while it starts, and the hardware's watchdog resets it."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot
from harness.model import FailureClass

NAME = "watchdog-rescue"

FAULT = Fault(
    name=NAME,
    summary="the system hangs with a watchdog running",
    target=Target.USERSPACE,
    classes=(FailureClass.WATCHDOG_RESCUE,),
    sabotage=unit_at_boot(
        """
modprobe --remove i6300esb
modprobe i6300esb heartbeat=4
for device in /sys/class/watchdog/watchdog*; do
    case $(cat "$device/identity") in *6300*) break ;; esac
done
exec 9>"/dev/${device##*/}"
sleep 100000
""",
        service="Type=oneshot\nTimeoutStartSec=infinity",
    ),
)
