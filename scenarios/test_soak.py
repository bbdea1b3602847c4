"""The main job: blocks of every reboot method in each cell, then a gate per arm and one for the comparison.

    make soak DEVICE=virtio-net BLOCKS=10

The first item of a cell runs its whole campaign, arms interleaved; the items only judge the records.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.vm


def test_reboot(soak, method):
    """No more cycles of this arm failed than the budget allows."""
    soak.judge_arm(method)


def test_compare(soak):
    """The candidate does not fail more often than a cold reboot."""
    soak.judge_comparison()
