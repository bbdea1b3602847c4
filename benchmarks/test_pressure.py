"""Does a late load find memory? The service's own load, with memory held by what nothing can reclaim.

    make bench K=pressure IMAGE=debian-13 BLOCKS=10

One item for each kind of load on memory and each way to treat kexec when memory runs out (guest/pressure.pl).
"""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.records import Record, number
from benchmarks.tables import figures, median, share, table

pytestmark = pytest.mark.vm

#: MemAvailable to load at, in MiB. Below the last, hardly any program starts.
LEVELS = (400, 200, 150, 130, 120, 110, 100, 80, 40, 10)
FEW_LEVELS = (150, 100, 60)
#: what holds the memory, and how kexec is treated when it runs out (see pressure.pl)
CASES = [
    ("tmpfs", "shipped", LEVELS),
    ("tmpfs", "equal", FEW_LEVELS),
    ("tmpfs", "equal+stop", FEW_LEVELS),
    ("anonymous", "shipped", FEW_LEVELS),
    ("anonymous", "equal", FEW_LEVELS),
    ("pipes", "shipped", FEW_LEVELS),
    ("holes", "shipped", FEW_LEVELS),
]


@pytest.mark.parametrize(("kind", "variant", "levels"), CASES, ids=[f"{kind}-{variant}" for kind, variant, _ in CASES])
def test_pressure(standing_guest, bench, kind, variant, levels):
    n = bench.repetitions(2)
    words = (kind, n, variant, *levels)
    attempts = bench.run(
        standing_guest, "pressure.pl", *words, timeout=300 + 240 * n * len(levels), filler=kind, variant=variant
    )
    rows = [_row(level, [attempt for attempt in attempts if attempt["level_mib"] == level]) for level in levels]
    head = [
        "MemAvailable",
        "MemFree",
        "success [95 %]",
        "retried",
        "seconds",
        "outlived",
        "killed",
        "left behind",
        "why not",
    ]
    title = f"{bench.ledger.everywhere['image']}: memory held by {kind}, {variant}; MiB"
    bench.show(title, table(head, rows))


def succeeded(attempt: Record) -> bool:
    """The service has ended with its image loaded and marked as to be started."""
    return attempt["loaded"] == 1 and attempt["staged"] == 1


def _row(level: int, attempts: list[Record]) -> list[object]:
    killed = Counter(name for attempt in attempts for name in str(attempt["killed"]).split(",") if name)
    left = [
        attempt for attempt in attempts if not succeeded(attempt) and (attempt["loaded"] == 1 or attempt["staged"] == 1)
    ]
    reasons = Counter(str(attempt["said"])[:60] for attempt in attempts if not succeeded(attempt))
    return [
        level,
        median([number(attempt, "free_kib") for attempt in attempts], 1024).split()[0],
        share(sum(map(succeeded, attempts)), len(attempts)),
        sum(int(number(attempt, "retried")) for attempt in attempts),
        figures(sorted(number(attempt, "seconds") for attempt in attempts)[len(attempts) // 2]),
        sum(int(number(attempt, "outlived")) for attempt in attempts),
        ", ".join(f"{count} {name}" for name, count in sorted(killed.items())) or "nobody",
        len(left),
        "; ".join(f"{count} {reason or '(stopped by systemd)'}" for reason, count in reasons.items()),
    ]
