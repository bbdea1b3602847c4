"""A recorded machine: gives the events of a transcript back, in their order and at their times.

The whole pipeline above `Machine` runs on it in milliseconds. Commands are matched by their purpose, so a
transcript stays valid when the wording of a script changes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import takewhile

from harness.clock import Deadline, ManualClock
from harness.errors import GuestGone, MachineError
from harness.model import AgentMessage, CommandReply, CommandSent, Event, ProcessExit
from harness.qemu.agent import parse_reply
from harness.qemu.machine import ALIVE
from harness.qemu.process import ThreadTime


class ReplayMachine:
    """Plays the events of one machine's life, from power-on to its end."""

    def __init__(self, events: Sequence[Event], clock: ManualClock | None = None) -> None:
        self._events = deque(events)
        self._passed: deque[Event] = deque()
        # One clock may serve several recordings, each of which starts where the clock stands.
        self.clock = clock or ManualClock(start=events[0].t if events else 0.0)

    def power_on(self) -> None:
        """Nothing to start: the recording is of a machine that did."""

    def next_event(self, deadline: Deadline) -> Event | None:
        if self._passed:
            return self._passed.popleft()
        if not self._events or self._events[0].t > deadline.at:
            self.clock.advance_to(deadline.at)
            return None
        return self._take()

    def run(self, script: str, *, purpose: str = "script", timeout: float = 120.0) -> CommandReply:  # noqa: ARG002
        sent = self._find_command(purpose)
        while self._events:
            event = self._take()
            self._passed.append(event)
            if isinstance(event, ProcessExit):
                raise GuestGone("QEMU ended before the guest answered")
            reply = parse_reply(event.body) if isinstance(event, AgentMessage) else None
            if reply and reply[0] == sent.id:
                return reply[1]
        raise MachineError(f"the transcript has no answer to '{purpose}'")

    def send(self, script: str, *, purpose: str) -> CommandSent:  # noqa: ARG002
        return self._find_command(purpose)

    def answers(self) -> bool:
        """As recorded; where nobody asked, it did."""
        asked = next((event for event in self._events if isinstance(event, CommandSent)), None)
        if asked is None or asked.purpose != ALIVE:
            return True
        try:
            self.run(":", purpose=ALIVE)
        except MachineError:
            return False
        return True

    def ping(self) -> None:
        """The answer is among the events, if there was one."""

    def hold_resets(self) -> None:
        """What happened has happened."""

    def release_reset(self) -> None:
        """What happened has happened."""

    def let_resets_go(self) -> None:
        """What happened has happened."""

    def vcpu_time(self) -> ThreadTime | None:
        return None

    def inspect(self) -> None:
        """A recording has no inside."""

    def close(self) -> None:
        self._events.clear()

    def _take(self) -> Event:
        event = self._events.popleft()
        self.clock.advance_to(event.t)
        return event

    def _find_command(self, purpose: str) -> CommandSent:
        alive = list(takewhile(lambda event: not isinstance(event, ProcessExit), self._events))
        asked = [event.purpose for event in alive if isinstance(event, CommandSent)]
        if asked and purpose not in asked:
            # Nothing is passed over for what the harness of the recording did not ask.
            raise MachineError(f"the transcript has no command '{purpose}'")
        while self._events:
            event = self._take()
            self._passed.append(event)
            if isinstance(event, CommandSent) and event.purpose == purpose:
                return event
            if isinstance(event, ProcessExit):
                raise GuestGone("QEMU has ended")
        raise MachineError(f"the transcript has no command '{purpose}'")
