"""The machines of scenarios: a fresh one for a test, or one that a cell's tests share; and their last words.

`guest` is a test's own machine. `standing_guest` is booted by the first test of a cell that asks for it and handed from
test to test, each of which leaves the system as it found it; after a test that did not, the next one gets a new one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.artefacts.collect import Collector
from harness.guest import Guest
from harness.lab import Lab, device_set_of, methods
from harness.model import Cell, Event
from harness.model.sizes import console_text
from harness.qemu.machine import Machine
from harness.report.text import visible
from harness.store import write_console, write_events

#: of a failed test's console, so many lines are shown at once, and so much of each
LINES_SHOWN, LINE_SHOWN = 25, 200


class Guests:
    """Boots guests, and remembers the one that the running test has."""

    def __init__(self, lab: Lab, seed: int, folder: Path, collector: Callable[[Cell], Collector]) -> None:
        """`folder` is where what is left of a failed test's guest goes; `collector` makes who takes it."""
        self._lab, self._seed, self._folder, self._collector = lab, seed, folder, collector
        self._standing: Guest | None = None
        #: the guest of the running test, also while it boots
        self.current: Guest | None = None

    def boot(self, machine: Machine, cell: Cell) -> Guest:
        """Boot a machine that somebody else has made and will close. Raises MachineError.

        A process has one machine up at a time: the standing one ends.
        """
        self.close()
        device_set = device_set_of(cell)
        guest = self.current = Guest(
            machine, cell, device_set, methods(), self._seed, emulated=self._lab.accel.accel.emulated
        )
        guest.boot()
        kernels = self._lab.kernels(cell)
        if kernels is not None and guest.kernel != kernels.outgoing:
            guest.change_kernel(kernels.outgoing)
        return guest

    def standing(self, cell: Cell) -> Guest:
        """The standing guest of this cell, up. Raises what making and booting a machine raises."""
        if self._standing is None or not self._standing.is_up or self._standing.cell != cell:
            machine = self._lab.make_machine(cell)
            try:
                self._standing = self.boot(machine, cell)
            except BaseException:
                machine.close()
                raise
        self.current = self._standing
        return self._standing

    def discard_standing(self) -> None:
        """A test that failed leaves the standing guest in no known state."""
        if self.current is self._standing:
            self.close()

    def close(self) -> None:
        """End the standing guest, if there is one."""
        standing, self._standing = self._standing, None
        if standing is not None:
            standing.machine.close()

    def keep_last_words(self, test: str) -> str | None:
        """Keep what the running test's guest has said since power-on, and the state that its machine is in.

        The machine stays stopped. Where that is and how it ends, for a report; None if there is no guest. Raises
        OSError.
        """
        guest = self.current
        if guest is None:
            return None
        folder = self._folder / re.sub(r"[^\w+.-]+", "_", test).strip("_")
        folder.mkdir(parents=True, exist_ok=True)
        events = [*guest.events, *guest.unread_events()]
        write_events(folder / "events.jsonl.gz", events)
        write_console(folder / "console.log", events)
        self._collector(guest.cell).collect_for_test(test, folder, guest.machine, up=guest.is_up)
        return "\n".join((f"its console, events and state: {folder}", *_of_last_reboot(guest), *_last_lines(events)))


def _of_last_reboot(guest: Guest) -> list[str]:
    """How long the guest's last reboot took, what its host let it have, and the silence that ended it."""
    if not guest.cycles:
        return []
    evidence = guest.cycles[-1].evidence
    seconds = evidence.events[-1].t - evidence.events[0].t if evidence.events else 0.0
    said = [f"its last reboot was watched for {seconds:.1f} s"]
    if evidence.vcpu_s is not None and evidence.vcpu_wait_s is not None:
        said.append(f"its vCPUs ran for {evidence.vcpu_s:.1f} s and waited {evidence.vcpu_wait_s:.1f} s for the host")
    if evidence.deadline_note:
        said.append(visible(evidence.deadline_note))
    return ["; ".join(said)]


def _last_lines(events: Sequence[Event]) -> list[str]:
    """The end of what the console said. The guest wrote it: nothing in it reaches a terminal as it is."""
    lines = [line for line in "".join(map(console_text, events)).splitlines() if line.strip()]
    return [f"    {visible(line, LINE_SHOWN)}" for line in lines[-LINES_SHOWN:]]
