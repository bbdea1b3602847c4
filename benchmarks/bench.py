"""One benchmark at work: programs sent to the guest and run there, their records kept, tables printed."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.ledger import Ledger
from benchmarks.records import Record, parse
from harness.guest import Guest

PROGRAMS = Path(__file__).with_name("guest")
PLACE = "/run/kexec-bench"


class Bench:
    """What a measuring test has in its hands. `blocks` is the user's number of repetitions, if one was given."""

    def __init__(self, *, name: str, ledger: Ledger, say: Callable[[str], None], blocks: int | None, seed: int) -> None:
        self.name = name
        self.ledger = ledger
        self.say = say
        self._blocks = blocks
        self.seed = seed

    def repetitions(self, default: int) -> int:
        """BLOCKS, or what this benchmark takes if nobody said anything."""
        return self._blocks or default

    def run(self, guest: Guest, program: str, *words: object, timeout: float, **about: str) -> list[Record]:
        """Run a program of guest/ in the guest; its records, which are also kept in the ledger, with `about` in each.

        Raises AssertionError if it fails or prints anything else: then the measurement was not made.
        """
        command = shlex.join(["perl", f"{PLACE}/{program}", *map(str, words)])
        send_programs(guest)
        reply = guest.run(f"cd {PLACE} && {command}", timeout=timeout)
        records, stray = parse(reply.output)
        self.keep(guest, program.removesuffix(".pl"), records, **about)
        assert (reply.status, stray) == (0, None), f"{command}: status {reply.status}: {stray or reply.output[-2000:]}"
        return records

    def keep(self, guest: Guest, record: str, records: Sequence[Record], **about: str) -> None:
        """Write records to the ledger; `record` says of what kind they are."""
        for fields in records:
            self.ledger.add(record=record, kernel=guest.kernel, **about, **fields)

    def show(self, title: str, text: str) -> None:
        """Print a table, and say where the records are."""
        self.say(f"\n{title}\n\n{text}\n\nrecords: {self.ledger.path}\n")


def send_programs(guest: Guest) -> None:
    """Put every program in its place."""
    guest.run(f"mkdir -p {PLACE}")
    for path in sorted(PROGRAMS.iterdir()):
        guest.put(f"{PLACE}/{path.name}", path.read_bytes())
