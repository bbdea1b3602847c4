"""How fast this host's time stamp counter runs, which an emulated x86 machine's runs as fast as."""

from __future__ import annotations

import re
from pathlib import Path

from harness.errors import InfraError

CPU_INFO = Path("/proc/cpuinfo")


def tsc_khz(cpu_info: Path = CPU_INFO) -> int:
    """The frequency in kHz. Raises InfraError if the kernel does not say.

    Linux derives `bogomips` from the counter's frequency, twice the megahertz (init/calibrate.c and
    arch/x86/kernel/tsc.c); `cpu MHz` is what the core runs at.
    """
    found = re.search(r"^bogomips\s*: ([\d.]+)$", cpu_info.read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise InfraError(f"{cpu_info} does not say how fast the time stamp counter runs (bogomips)")
    return round(float(found[1]) * 500)
