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


class Evidence(Struct, frozen=True, kw_only=True):
    """Everything observed of a cycle, from its trigger to its end; the trigger is a `CommandSent` in it."""

    expectation: Expectation
    events: tuple[Event, ...]
    ended_by: EndReason
    #: seconds that the last phase was given before it was given up; None if no deadline decided
    deadline_s: float | None = None
    findings: tuple[DeviceFinding, ...] = ()
    #: CPU seconds that the vCPU threads used between trigger and end
    vcpu_s: float | None = None
    #: seconds those threads were runnable but waited for a host CPU
    vcpu_wait_s: float | None = None
