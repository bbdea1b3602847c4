"""The root disk answers no more once the shutdown has begun."""

from __future__ import annotations

from harness.faults.base import Fault, Hands, Target
from harness.model import FailureClass, Stage

NAME = "disk-dead-at-shutdown"


def _stop_disk(hands: Hands) -> None:
    limits = {"bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0}
    # One byte a second: nothing comes back in a lifetime.
    hands.qmp("block_set_io_throttle", {"device": "root0", **limits, "bps": 1})


FAULT = Fault(
    name=NAME,
    summary="the disk under the root file system stands still",
    target=Target.SHUTDOWN,
    classes=(FailureClass.SHUTDOWN_HANG,),
    stage=Stage.SHUTDOWN,
    sabotage="sync; echo 3 >/proc/sys/vm/drop_caches",
    act=_stop_disk,
    spoils_machine=True,
)
