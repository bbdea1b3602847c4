"""What an image without systemd does by itself: `make scenarios IMAGE=micro,alpine`."""

from __future__ import annotations

import pytest

from harness.model import FailureClass

pytestmark = pytest.mark.vm

LOAD = "/usr/sbin/kexec --kexec-syscall --load /vmlinuz --initrd=/initrd.img --reuse-cmdline"


@pytest.fixture(autouse=True)
def _only_there(cell):
    if cell.image not in {"micro", "alpine"}:
        pytest.skip("where there is systemd, kexec-load loads and executes")


def test_a_load_that_is_refused_ends_in_a_normal_reboot_that_says_why(guest):
    guest.run("echo 1 >/proc/sys/kernel/kexec_load_disabled")
    verdict = guest.reboot("kexec")
    assert verdict.failure_class is FailureClass.LOAD_REFUSED, verdict.reason
    assert verdict.path == "firmware"
    assert "Operation not permitted" in verdict.reason
    assert guest.is_up


def test_a_machine_that_is_switched_off_executes_nothing(guest):
    reply = guest.run(f"{LOAD} && cat /sys/kernel/kexec_loaded")
    assert (reply.status, reply.output.strip()) == (0, "1"), reply.output
    said = guest.end("poweroff", last_words="reboot: Power down")
    assert "reboot: Power down" in said
    assert "executing the loaded kernel" not in said
