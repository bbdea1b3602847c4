"""What is kept of a noisy boot: bounded, marked where something is missing, and good for the same verdict."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given, settings
from reboots import JUMP, TRIGGER, cold, kexec, ready, text

from harness.classify.milestones import Progress
from harness.model import AgentMessage, ConsoleData, Event, Gap, Heartbeat
from harness.model.sizes import cost_of
from harness.recording import Recording


def record(events: list[Event], **rooms: int) -> tuple[Progress, tuple[Event, ...]]:
    """The events read live, and what is kept of them."""
    progress, recording = Progress("old"), Recording(**rooms)
    for event in events:
        before = progress.marks()
        progress.feed(event)
        recording.add(event, pin=progress.marks() != before)
    return progress, recording.events()


def console(events: tuple[Event, ...] | list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, ConsoleData))


def flooded(events: list[Event], lines: int) -> list[Event]:
    """The same with so many lines of noise before each event."""
    return [
        piece
        for event in events
        for piece in (*(text(event.t, f"noise {i} " + "x" * 100) for i in range(lines)), event)
    ]


def test_a_quiet_boot_is_kept_whole():
    _, kept = record(kexec())
    assert kept == tuple(kexec())


@settings(deadline=None)
@given(st.lists(st.integers(1, 5), max_size=200), st.sampled_from([kexec(), cold()]))
def test_pieces_become_lines_and_nothing_is_lost(sizes, events):
    pieces: list[Event] = []
    for event in events:
        if not isinstance(event, ConsoleData):
            pieces.append(event)
            continue
        rest, t = event.text, event.t
        while rest:
            size = sizes[len(pieces) % len(sizes)] if sizes else 1
            pieces.append(ConsoleData(t, rest[:size]))
            rest, t = rest[size:], t + 0.001
    live, kept = record(pieces)
    assert console(kept) == console(events)
    assert len(kept) <= 2 * len(events)
    assert Progress("old").feed_all(kept).at == live.at


def test_a_flood_leaves_its_start_its_end_and_what_meant_something():
    live, kept = record(flooded(kexec(), 300), head=20_000, tail=20_000, pinned=20_000)
    again = Progress("old").feed_all(kept)
    assert again.at == live.at
    assert again.ready == live.ready
    assert sum(cost_of(event) for event in kept) < 80_000
    missing = [event for event in kept if isinstance(event, Gap)]
    assert missing
    everything = console(flooded(kexec(), 300))
    assert len(console(kept)) + sum(gap.size for gap in missing) == len(everything)
    assert console(kept).count("\n") + sum(gap.newlines for gap in missing) == everything.count("\n")


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(1, 3000), st.binary(max_size=300))
def test_whatever_goes_the_verdict_stays(lines, room, noise):
    """What can be read afterwards is what was read live, as long as there is room for what meant something."""
    events = [
        piece for event in flooded(cold(), lines) for piece in (event, ConsoleData(event.t, noise.decode("latin-1")))
    ]
    live, kept = record(events, head=room, tail=room, pinned=1 << 20)
    again = Progress("old").feed_all(kept)
    assert {**again.at, **live.at} == again.at == live.at
    assert again.marks() == live.marks()


def test_a_line_that_another_event_interrupts_is_kept_with_both_its_halves():
    start, end = JUMP[1].text[:30], JUMP[1].text[30:]
    events = [TRIGGER, ConsoleData(101.0, start), Heartbeat(103.5, 2.0), ConsoleData(104.0, end)]
    live, kept = record([*events, *flooded([ready(120.0)], 300)], head=10, tail=1000, pinned=10_000)
    assert live.jumped_at == 104.0
    assert Progress("old").feed_all(kept).jumped_at == 104.0


def test_reports_without_end_are_bounded_too_and_the_one_that_counted_stays():
    noise = [AgentMessage(110.0, {"type": "noise", "text": "x" * 1000}) for _ in range(500)]
    live, kept = record([*kexec(), *noise], head=2000, tail=2000, pinned=20_000)
    assert live.ready is not None
    assert Progress("old").feed_all(kept).ready == live.ready
    assert len(kept) < 30
    assert [event.of for event in kept if isinstance(event, Gap)] == ["agent"]
