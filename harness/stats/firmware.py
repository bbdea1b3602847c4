"""What kexec saves where firmware takes as long as a real machine's: QEMU's takes a second, a server's minutes."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from harness.stats.duration import Saving, saving_of
from harness.stats.times import Times


class BreakEven(Struct, frozen=True, kw_only=True):
    """Everything but the firmware as measured here."""

    #: seconds of firmware from which on the candidate is the faster one; negative if it is so without any
    firmware: Saving
    #: seconds that the firmware was said to take, and what a reboot then saves
    assumed_s: float | None = None
    saved: Saving | None = None


def break_even(ours: Times, theirs: Times, assumed_s: float | None) -> BreakEven | None:
    """How long firmware must take for the candidate to save time over the baseline; None if it was not measured.

    From blocks in which both arms passed and the firmware's part of the baseline's time is known. That part is
    taken out, and `assumed_s` put in its place. A server's POST also differs in what it leaves to the kernel: that is
    not in here.
    """
    columns = [ours.by_block("total_s"), theirs.by_block("total_s"), theirs.by_block("firmware_s")]
    common = np.intersect1d(np.intersect1d(columns[0][0], columns[1][0]), columns[2][0])
    if not len(common):
        return None
    mine, total, firmware = (times[np.searchsorted(blocks, common)] for blocks, times in columns)
    rest = total - firmware
    needed = saving_of(rest, mine)
    if assumed_s is None:
        return BreakEven(firmware=needed)
    return BreakEven(firmware=needed, assumed_s=assumed_s, saved=saving_of(mine, rest + assumed_s))
