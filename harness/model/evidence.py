"""What a verdict is made from: what was known before a cycle, and everything observed of it."""

from __future__ import annotations

from msgspec import Struct

from harness.model.cells import Firmware, Loader
from harness.model.events import DeviceFinding, EndReason, Event
from harness.model.verdicts import BootPath


class Expectation(Struct, frozen=True, kw_only=True):
    """What the harness knows before a cycle starts, against which its evidence is held."""

    method: str
    path: BootPath
    arch: str
    firmware: Firmware
    loader: Loader
    nonce: str
    boot_id_before: str
    kernel_before: str
    #: None when any kernel will do
    kernel_expected: str | None = None
    #: the machine was to be switched off by its guest, and on again by the host
    power_cycle: bool = False


class Evidence(Struct, frozen=True, kw_only=True):
    """Everything observed of a cycle, from its trigger to its end; the trigger is a `CommandSent` in it."""

    expectation: Expectation
    events: tuple[Event, ...]
    ended_by: EndReason
    #: seconds after the last milestone at which the silence was given up; None if no deadline decided
    deadline_s: float | None = None
    #: why it was, for people: what the machine was doing, and how long this cell takes otherwise
    deadline_note: str = ""
    findings: tuple[DeviceFinding, ...] = ()
    #: what showed, after the system had come up, that it was dead or gone; None if it lasted
    died: str | None = None
    #: bytes and newlines of the cycle's console log that stand before these events
    console_offset: int = 0
    console_newlines: int = 0
    #: signatures of oopses and warnings that this cell's cold boots show, too
    baseline: frozenset[str] = frozenset()
    #: seconds from trigger to ready beyond which a reboot is slow for this cell; None while too little is known of it
    slow_above_s: float | None = None
    #: no hardware ran the guest's code, so that the time before a kernel says nothing of the guest
    emulated: bool = False
    #: CPU seconds that the vCPU threads used between trigger and end
    vcpu_s: float | None = None
    #: seconds those threads were runnable but waited for a host CPU
    vcpu_wait_s: float | None = None
