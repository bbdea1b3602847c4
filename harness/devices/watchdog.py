"""Watchdogs: systemd keeps the watchdog armed, across the reboot as well, and nothing has fired.

A row is a watchdog: name, QEMU's options, the driver and its module, what /sys/class/watchdog calls it (nothing, if its
driver is older than that), the seconds for which it is armed, and what it is. The IB700 can only be armed for half a
minute, in which no emulated machine comes up: it is left alone.
"""

from __future__ import annotations

from msgspec import Struct

from harness.devices.base import DeviceSet
from harness.model import Option

#: keeps out the driver of the watchdog that the board has anyway
NO_OTHER = "modprobe.blacklist=iTCO_wdt"


class Row(Struct, frozen=True, kw_only=True):
    """One line of the table."""

    name: str
    option: Option
    driver: str
    module: str
    identity: str
    #: 0: not armed
    seconds: int
    summary: str
    #: what it is a part of, if the board has it anyway
    of_the_board: tuple[str, ...] = ()


ROWS = (
    Row(
        name="i6300esb",
        option=("-device", "i6300esb"),
        driver="i6300ESB timer",
        module="i6300esb",
        identity="i6300ESB timer",
        seconds=300,
        summary="Intel 6300ESB on PCI",
    ),
    Row(
        name="ib700",
        option=("-device", "ib700"),
        driver="ib700wdt",
        module="ib700wdt",
        identity="",
        seconds=0,
        summary="iBASE 700 on ISA, not armed",
    ),
    Row(
        name="itco",
        option=("-global", "ICH9-LPC.noreboot=off"),
        driver="iTCO_wdt",
        module="iTCO_wdt",
        identity="iTCO_wdt",
        seconds=300,
        summary="TCO timer of Q35's ICH9, which the machine has anyway, here with the power to reset",
        of_the_board=("ICH9-LPC",),
    ),
)


def _set(row: Row) -> DeviceSet:
    return DeviceSet(
        name=row.name,
        summary=row.summary,
        options=lambda _: [row.option],
        script="watchdog.sh",
        driver=row.driver,
        modules=(row.module,),
        words=() if row.of_the_board else (NO_OTHER,),
        of_the_board=row.of_the_board,
        values={"IDENTITY": row.identity, "MODULE": row.module, "SECONDS_ARMED": str(row.seconds)},
    )


DEVICE_SETS = tuple(map(_set, ROWS))
