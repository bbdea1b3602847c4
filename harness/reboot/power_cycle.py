"""power-cycle: the guest powers off; once the guest has switched the machine off, the host switches it on again.

Every emulated device is reset. Memory keeps its content, which that of a real machine that was off for long does not.
"""

from __future__ import annotations

from harness.model import BootPath
from harness.reboot.base import POWER_OFF, Method
from harness.reboot.cold import METHOD as COLD

NAME = "power-cycle"

METHOD = Method(
    name=NAME,
    summary="the guest switches off, and the host on again",
    path=BootPath.FIRMWARE,
    arm=COLD.arm,
    trigger=POWER_OFF,
    power_cycle=True,
)
