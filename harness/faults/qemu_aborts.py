"""QEMU aborts while the old system shuts down."""

from __future__ import annotations

import signal

from harness.faults.base import Fault, Hands, Target
from harness.model import Blame, FailureClass

NAME = "qemu-aborts"


def _abort(hands: Hands) -> None:
    hands.signal(signal.SIGABRT)


FAULT = Fault(
    name=NAME,
    summary="SIGABRT to QEMU during the shutdown",
    target=Target.QEMU,
    classes=(FailureClass.QEMU_ABORT,),
    blame=Blame.HOST,
    act=_abort,
    spoils_machine=True,
)
