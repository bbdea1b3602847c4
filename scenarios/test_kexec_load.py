"""kexec-load in a real machine: the same system is there after a kexec, and a plain reboot is one when it may be."""

from __future__ import annotations

import pytest

from harness.model import BootPath
from harness.reboot.base import Method, remember

pytestmark = pytest.mark.vm


def test_files_written_before_a_kexec_are_there_after_it(guest):
    guest.run("echo still here >/root/note && sync")
    first_boot = guest.boot_id
    verdict = guest.reboot("kexec")
    assert (verdict.outcome, verdict.path) == ("pass", "kexec"), verdict.reason
    assert guest.boot_id != first_boot
    assert guest.run("cat /root/note").output.strip() == "still here"


#: nothing is said to kexec-load, and the reboot must go through firmware
STANDS_ASIDE = Method(
    name="plain",
    summary="systemctl reboot, which kexec-load has a reason to keep away from",
    path=BootPath.FIRMWARE,
    arm=remember,
    trigger="systemctl reboot",
)


def keep_journal(guest):
    """From now on over reboots, too."""
    assert guest.run("mkdir -p /var/log/journal && systemctl restart systemd-journald").status == 0


def test_skip_holds_for_one_reboot_and_attempts_are_settled(guest):
    keep_journal(guest)
    assert guest.run("kexec-load skip").status == 0
    assert guest.run("kexec-load check").output.startswith("would stand aside: asked to skip")
    skipped = guest.reboot(STANDS_ASIDE)
    assert skipped.outcome == "pass", skipped.reason
    assert guest.run("kexec-load check").output.startswith("would kexec /boot/vmlinuz-")
    again = guest.reboot("kexec")
    assert (again.outcome, again.path) == ("pass", "kexec"), again.reason
    assert "came-up /boot/vmlinuz-" in guest.run("kexec-load status").output
    logged = guest.run("journalctl --boot=-1 --unit=kexec-load.service --output=cat --no-pager").output
    assert "loaded /boot/vmlinuz-" in logged


def test_a_kernel_that_forbids_loading_is_rebooted_cold_and_the_journal_says_why(guest):
    keep_journal(guest)
    assert guest.run("echo 1 >/proc/sys/kernel/kexec_load_disabled").status == 0
    verdict = guest.reboot(STANDS_ASIDE)
    assert verdict.outcome == "pass", verdict.reason
    assert guest.run("systemctl is-failed kexec-load.service").status != 0
    logged = guest.run("journalctl --boot=-1 --unit=kexec-load.service --output=cat --no-pager").output
    assert "standing aside: kernel.kexec_load_disabled is set" in logged
