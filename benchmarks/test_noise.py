"""A reboot that prints 100 MB on its console: what that costs the harness, and whether the guest has to wait for it.

    make bench K=noise BLOCKS=100
    make bench K=port BLOCKS=5 DEVICE_ARGS='-chardev file,id=f,path=/dev/null -device pci-serial,chardev=f'

BLOCKS is the noise in MB: random bytes, printed by a service of the old system while it is stopped, before the kexec.
An emulated serial port may take minutes for it. The second one writes noise of 1 MB, BLOCKS times, to the console and
to a port of the same kind that QEMU writes to a file, with nobody behind it.
"""

from __future__ import annotations

import resource
import time

import pytest

from benchmarks.tables import figures, median, table, times
from harness.model import ConsoleData, Gap
from harness.stats.duration import paired_ratio

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
#: without what a terminal does to line ends
WRITE = "stty -F /dev/{port} -opost; cat /run/noise >/dev/{port}; stty -F /dev/{port} opost"


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


def test_port(guest, bench):
    ports = guest.run(
        "modprobe 8250_pci; udevadm settle; grep -o '^[0-9]*: uart:16550A' /proc/tty/driver/serial"
    ).output
    numbers = [line.partition(":")[0] for line in ports.splitlines()]
    if len(numbers) < 3:
        pytest.skip("the machine has no third port: give it one with DEVICE_ARGS, as the docstring of this file says")
    assert guest.run("head -c 1000000 /dev/urandom >/run/noise").status == 0
    seconds: dict[str, list[float]] = {"console": [], "file": []}
    for _ in range(bench.repetitions(5)):
        for name, port in (("console", "ttyS0"), ("file", f"ttyS{numbers[2]}")):
            started = time.monotonic()
            assert guest.run(WRITE.format(port=port), timeout=600).status == 0
            seconds[name].append(time.monotonic() - started)
            guest.unread_events()
    pairs = list(zip(seconds["console"], seconds["file"], strict=True))
    bench.keep(guest, "port", [{"console_s": ours, "file_s": theirs} for ours, theirs in pairs])
    rows = [[name, median(taken)] for name, taken in seconds.items()]
    ratio = times(paired_ratio(pairs))
    bench.show(f"1 MB to a serial port, {len(pairs)} times: {ratio} times as long", table(["port", "seconds"], rows))


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
