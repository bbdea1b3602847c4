"""Does a load that fails leave anything behind? Loads that are made to fail at random, one way after the other.

make bench K=atomic IMAGE=debian-13
make bench K="killed and classic" BLOCKS=30
"""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.records import Record
from benchmarks.tables import none_of, share, table
from harness.model import BootPath
from harness.reboot.base import Method, remember

pytestmark = pytest.mark.vm

CASES = (
    "kexec killed",
    "kernel cut short",
    "initrd cut short",
    "bit of the kernel flipped",
    "bit of the initrd flipped",
    "address space limited",
    "initrd vanishes",
    "two loads at once",
    "time is up",
)
WAYS = {"file-load": "-s", "classic": "-c", "kexec-load": "kexec-load"}
#: memory that may be missing after a load and its unloading, in KiB; the smallest image holds seven times as much
NOISE_KIB = 8192


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.replace(" ", "-"))
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_atomic(standing_guest, bench, way, case):
    if case == "time is up" and way != "kexec-load":
        pytest.skip("kexec alone takes as long as it takes")
    n = bench.repetitions(4)
    rows, broken, failed = [], 0, 0
    for before in ("nothing", "older"):
        about = {"way": way, "case": case, "before": before}
        words = (way, case, before, n, bench.seed)
        attempts = bench.run(standing_guest, "atomic.pl", *words, timeout=180 + 90 * n, **about)
        bad = sum(not whole(way, before, attempt) for attempt in attempts)
        failures = [attempt for attempt in attempts if failed_to_load(attempt)]
        broken, failed = broken + bad, failed + len(failures)
        left = Counter(str(attempt["left"]) for attempt in failures)
        found = ", ".join(f"{count} {name}" for name, count in sorted(left.items()))
        rows.append([before, len(attempts), len(failures), found, bad])
    head = ["loaded before", "n", "failed", "what is loaded after a failure", "broken"]
    verdict = none_of(2 * n) if not broken else share(broken, 2 * n)
    title = f"{bench.ledger.everywhere['image']}: {way}, {case}"
    bench.show(title, f"{table(head, rows)}\n\nbroken: {verdict}; failed: {failed}")


def _load_older_and_fail(nonce: str) -> str:
    return f"""
{remember(nonce)}
kexec -s --load /vmlinuz --initrd=/initrd.img --reuse-cmdline --append=kexec_harness.nonce={nonce} || exit 1
truncate -s 0 /var/tmp/empty
kexec -s --load /var/tmp/empty --initrd=/initrd.img --reuse-cmdline && exit 1
kexec -c --load /var/tmp/empty --initrd=/initrd.img --reuse-cmdline && exit 1
true
"""


OLDER = Method(
    name="older",
    summary="systemctl kexec after an image was loaded and two newer loads have failed",
    path=BootPath.KEXEC,
    arm=_load_older_and_fail,
    trigger="systemctl kexec",
)


def test_what_a_kexec_starts_after_failed_loads(guest, bench):
    """The words on the command line of the image that was loaded first say that it is this one that runs."""
    verdict = guest.reboot(OLDER)
    started = "the older image" if (verdict.outcome, verdict.path) == ("pass", "kexec") else "something else"
    bench.keep(guest, "started", [{"started": started, "reason": verdict.reason}])
    bench.show("after two failed loads systemctl kexec starts", f"{started} ({verdict.reason})")


def failed_to_load(attempt: Record) -> bool:
    """It said so, by its status or, as kexec-load when it stands aside, by loading nothing."""
    return attempt["status"] != 0 or attempt["left"] == "nothing"


def whole(way: str, before: str, attempt: Record) -> bool:
    """All of an image or none: nothing half-way in, no leftovers, all memory back after unloading.

    kexec alone may leave the older image, or the new one when it was killed behind its system call. kexec-load leaves
    its own image, staged, or nothing at all.
    """
    if abs(float(attempt["leak_kib"])) > NOISE_KIB or attempt["left"] == "unclear":
        return False
    if way != "kexec-load":
        return attempt["status"] == 0 or attempt["left"] in {"nothing", "new", before}
    if attempt["left"] == "new":
        return attempt["files"] == "staged" and attempt["status"] == 0
    return attempt["left"] == "nothing" and attempt["files"] == "" and attempt["note"] == 0
