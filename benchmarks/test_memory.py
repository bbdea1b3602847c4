"""What a loaded image holds while the machine works, and what loading it takes for a moment.

    make bench K=memory IMAGE=debian-12,debian-13 BLOCKS=10

A late load holds nothing until the shutdown; an early one holds this from the boot on.
"""

from __future__ import annotations

import pytest

from benchmarks.records import number
from benchmarks.tables import figures, median, table

pytestmark = pytest.mark.vm

MIB_OF_KIB = 1024
CALLS = {"-s": "kexec_file_load", "-c": "classic kexec_load"}


def test_memory(standing_guest, bench):
    files, *loads = bench.run(standing_guest, "memory.pl", bench.repetitions(6), timeout=1800)
    kernel, initrd, init = (number(files, f"{name}_bytes") / 2**20 for name in ("kernel", "initrd", "init_size"))
    rows = []
    for option, call in CALLS.items():
        of_call = [load for load in loads if load["call"] == option]
        held = median([number(load, "held_kib") for load in of_call], MIB_OF_KIB)
        # Readings taken during a load may miss its peak, never exceed it.
        peaks = [
            figures(max(number(load, name) for load in of_call) / MIB_OF_KIB)
            for name in ("peak_held_kib", "peak_available_kib", "kexec_resident_kib")
        ]
        rows.append([call, len(of_call), figures(kernel + initrd), figures(init + initrd), held, *peaks])
    head = ["call", "n", "files", "init_size + initrd", "held", "peak", "peak of MemAvailable", "kexec itself"]
    total = figures(number(files, "total_kib") / MIB_OF_KIB)
    image = bench.ledger.everywhere["image"]
    title = f"{image}: MiB of {total}; held: median with its 95 % interval; peaks: the highest seen"
    bench.show(title, table(head, rows))
