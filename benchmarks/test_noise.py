"""A reboot that prints 100 MB on its console: what that costs the harness, and whether the guest has to wait for it.

    make bench K=noise BLOCKS=100

BLOCKS is the noise in MB: random bytes, printed by a service of the old system while it is stopped, before the kexec.
An emulated serial port may take minutes for it.
"""

from __future__ import annotations

import resource
import time

import pytest

from benchmarks.tables import figures, table
from harness.model import ConsoleData, Gap

pytestmark = pytest.mark.vm

UNIT = "/etc/systemd/system/noise.service"
SERVICE = """\
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=true
ExecStop=sh -c 'head -c {bytes} /dev/urandom >/dev/console'
TimeoutStopSec=infinity
"""


def test_noise(guest, bench):
    megabytes = bench.repetitions(100)
    guest.put(UNIT, SERVICE.format(bytes=megabytes * 1_000_000).encode())
    assert guest.run("systemctl daemon-reload && systemctl start noise.service").status == 0
    started, cpu, before = time.monotonic(), time.process_time(), _peak_mib()
    verdict = guest.reboot("kexec")
    seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    [events] = [cycle.evidence.events for cycle in guest.cycles]
    found = {
        "noise_mb": megabytes,
        "verdict": verdict.outcome.value,
        "reboot_s": seconds,
        "harness_cpu_s": cpu,
        "guest_waited_s": guest.machine.held_up_s,
        "memory_grown_mib": _peak_mib() - before,
        "kept_mb": sum(len(event.text) for event in events if isinstance(event, ConsoleData)) / 1e6,
        "dropped_mb": sum(event.size for event in events if isinstance(event, Gap)) / 1e6,
    }
    assert found["kept_mb"] + found["dropped_mb"] >= megabytes, found
    bench.keep(guest, "noise", [found])
    rows = [[name, value if isinstance(value, str) else figures(value)] for name, value in found.items()]
    bench.show(f"{megabytes} MB of noise on the console, during a kexec", table(["what", "measured"], rows))


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
