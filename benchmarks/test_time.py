"""What loading late costs at shutdown: the load itself with its steps, and real reboots, loaded late and early.

make bench K=time IMAGE=debian-12,debian-13 BLOCKS=8
"""

from __future__ import annotations

import random

import pytest

from benchmarks.records import number
from benchmarks.tables import median, table, times
from harness.model import BootPath
from harness.reboot.base import Method, remember
from harness.reboot.kexec import METHOD as LATE
from harness.stats.duration import paired_ratio

pytestmark = pytest.mark.vm

STEPS = {
    "starting": "shell and its parts start, what is queued",
    "settings": "settings, reasons against any kexec",
    "choosing": "choosing kernel, initrd, command line",
    "kernel_check": "checking the kernel",
    "initrd_check": "checking the initrd",
    "attempts": "has this kernel failed before",
    "preparing": "unloading, preparing",
    "loading": "kexec: reading the files, the system call",
    "noting": "noting the attempt, on disk",
}


def test_time_of_a_load(standing_guest, bench):
    loads = bench.run(standing_guest, "time.pl", bench.repetitions(6), timeout=3000)
    seconds: dict[str, list[float]] = {}
    for load in loads:
        if load["kind"] != "steps":
            seconds.setdefault(str(load["kind"]), []).append(number(load, "seconds"))
    traced = [load for load in loads if load["kind"] == "steps"]
    totals = [sum(number(load, step) for step in STEPS) for load in traced]
    seconds["kexec-load, traced"] = totals
    rows = [[kind, len(of_kind), median(of_kind)] for kind, of_kind in sorted(seconds.items())]
    image = bench.ledger.everywhere["image"]
    bench.show(f"{image}: seconds (emulated), medians with 95 % intervals", table(["what", "n", "seconds"], rows))
    steps = [
        [
            words,
            median([number(load, step) for load in traced]),
            median([100 * number(load, step) / total for load, total in zip(traced, totals, strict=True)]),
        ]
        for step, words in STEPS.items()
    ]
    bench.show(f"{image}: steps of the traced load", table(["step", "seconds", "% of the load"], steps))


def _load_early(nonce: str) -> str:
    return f"""
set -e
{remember(nonce)}
kexec -s --load /vmlinuz --initrd=/initrd.img --reuse-cmdline --append=kexec_harness.nonce={nonce} ||
    kexec -c --load /vmlinuz --initrd=/initrd.img --reuse-cmdline --append=kexec_harness.nonce={nonce}
"""


EARLY = Method(
    name="early",
    summary="systemctl kexec of an image that was loaded while the machine worked",
    path=BootPath.KEXEC,
    arm=_load_early,
    trigger="systemctl kexec",
)
#: when kexec-load.service began to stop and had stopped in the boot before this one, in seconds; the messages are
#: found by their ids (SD_MESSAGE_UNIT_STOPPING and SD_MESSAGE_UNIT_STOPPED in systemd's sd-messages.h)
STOPPING = r"""
for id in de5b426a63be47a7b6ac3eaac82e2f6f 9d1aaa27d60140bd96365438aad20286; do
    journalctl --boot=-1 --no-pager --output=short-monotonic UNIT=kexec-load.service MESSAGE_ID=$id |
        sed -n 's/^\[ *\([0-9.]*\)\] .*/\1/p' | tail -n 1
done
"""
PHASES = {"stop_s": "kexec-load.service stops", "shutdown_s": "shutdown", "total_s": "whole reboot"}


def _stop_seconds(guest) -> float:
    stopping, stopped = (float(line) for line in guest.run(STOPPING).output.split())
    return stopped - stopping


def test_time_of_reboots_loaded_late_and_early(guest, bench):
    assert guest.run("mkdir -p /var/log/journal && systemctl restart systemd-journald").status == 0
    order = random.Random(bench.seed)
    blocks = []
    for block in range(bench.repetitions(6)):
        arms = [LATE, EARLY]
        order.shuffle(arms)
        found = {}
        for method in arms:
            assert guest.run("sync && echo 3 >/proc/sys/vm/drop_caches").status == 0
            verdict = guest.reboot(method)
            phases = guest.cycles[-1].judgement.phases
            assert verdict.outcome == "pass", f"{method.name}: {verdict.reason}"
            found[method.name] = {"shutdown_s": phases.shutdown_s, "total_s": phases.total_s}
            found[method.name]["stop_s"] = _stop_seconds(guest)
            bench.keep(guest, "reboot", [{"block": block, "arm": method.name, **found[method.name]}])
            bench.say(f"  block {block}: {method.name}: {found[method.name]}")
        blocks.append(found)
    rows = [
        [
            label,
            *(median([block[arm][key] for block in blocks]) for arm in ("kexec", "early")),
            times(paired_ratio([(block["kexec"][key], block["early"][key]) for block in blocks])),
        ]
        for key, label in PHASES.items()
    ]
    part = median([100 * block["kexec"]["stop_s"] / block["kexec"]["total_s"] for block in blocks])
    more = median([block["kexec"]["shutdown_s"] - block["early"]["shutdown_s"] for block in blocks])
    title = f"{bench.ledger.everywhere['image']}: seconds (emulated), medians of {len(blocks)} blocks with intervals"
    text = table(["phase", "late", "early", "late / early, paired"], rows)
    bench.show(title, f"{text}\n\nThe late load is {part} % of its reboot; its shutdown takes {more} s more.")
