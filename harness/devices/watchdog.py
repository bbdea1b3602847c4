"""Watchdogs: systemd keeps the watchdog armed, across the reboot as well, and nothing has fired.

A row is a watchdog: name, QEMU's options, the driver, its module, what /sys calls it, and what it is.
"""

from __future__ import annotations

from harness.devices.base import DeviceSet, Resources
from harness.model import Option

DOGS = (
    ("i6300esb", (("-device", "i6300esb"),), "i6300ESB timer", "i6300esb", "i6300esb", "Intel 6300ESB on PCI"),
    ("ib700", (("-device", "ib700"),), "ib700wdt", "ib700wdt", "IB700 WDT", "iBASE 700 on ISA"),
    ("itco", (("-global", "ICH9-LPC.noreboot=off"),), "iTCO_wdt", "iTCO_wdt", "iTCO_wdt", "TCO of Q35's ICH9"),
)


def _set(name: str, options: tuple[Option, ...], driver: str, module: str, *words: str) -> DeviceSet:
    identity, summary = words

    def given(_: Resources) -> list[Option]:
        return list(options)

    return DeviceSet(
        name=name,
        summary=summary,
        options=given,
        script="watchdog.sh",
        driver=driver,
        modules=(module,),
        values={"IDENTITY": identity, "MODULE": module},
    )


DEVICE_SETS = tuple(_set(*dog) for dog in DOGS)
