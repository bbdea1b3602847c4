"""kexec-load in a real machine: after a reboot by kexec, the same system is there again."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.vm


def test_files_written_before_a_kexec_are_there_after_it(guest):
    guest.run("echo still here >/root/note && sync")
    first_boot = guest.boot_id
    verdict = guest.reboot("kexec")
    assert (verdict.outcome, verdict.path) == ("pass", "kexec"), verdict.reason
    assert guest.boot_id != first_boot
    assert guest.run("cat /root/note").output.strip() == "still here"
