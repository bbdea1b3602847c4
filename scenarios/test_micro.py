"""What an image without systemd does by itself: `make scenarios IMAGE=micro`."""

from __future__ import annotations

import pytest

from harness.model import FailureClass

pytestmark = pytest.mark.vm


@pytest.fixture(autouse=True)
def _only_there(cell):
    if cell.image != "micro":
        pytest.skip("only micro ends its system by its own script")


def test_a_load_that_is_refused_ends_in_a_normal_reboot_that_says_why(guest):
    guest.run("echo 1 >/proc/sys/kernel/kexec_load_disabled")
    verdict = guest.reboot("kexec")
    assert verdict.failure_class is FailureClass.LOAD_REFUSED, verdict.reason
    assert verdict.path == "firmware"
    assert "Operation not permitted" in verdict.reason
    assert guest.is_up
