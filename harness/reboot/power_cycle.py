"""power-cycle: `systemctl poweroff`; once the guest has switched the machine off, the host switches it on again.

Every emulated device is reset. Memory keeps its content, which that of a real machine that was off for long does not.
"""

from __future__ import annotations

from harness.model import BootPath
from harness.reboot.base import Method
from harness.reboot.cold import METHOD as COLD

NAME = "power-cycle"

METHOD = Method(
    name=NAME,
    summary="systemctl poweroff, and on again",
    path=BootPath.FIRMWARE,
    arm=COLD.arm,
    trigger="systemctl poweroff",
    power_cycle=True,
)
