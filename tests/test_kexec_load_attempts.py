"""The safety net: a kernel that does not come up by kexec is, after some times, booted through firmware."""

from __future__ import annotations

import pytest
from kexec_load_machine import INITRD, KERNEL, NEXT_BOOT_ID, Machine, bzimage, debian_initrd

GRUB = 114
KEXEC = 208
TOO_OFTEN = f"standing aside: {KERNEL} did not come up by kexec 2 times in a row (MAX_FAILURES=2; "


def fail(machine: Machine, times: int) -> None:
    """So many kexecs that end in a boot through firmware, each settled once that boot has come to its target."""
    for number in range(times):
        assert "loaded " in machine.load()
        machine.boot(GRUB, f"{number}-{NEXT_BOOT_ID}")
        assert machine.run("confirm").returncode == 0


def test_a_kernel_that_failed_too_often_stays_cold_until_the_operator_resets_it(any_machine):
    machine = any_machine
    fail(machine, 2)
    said = machine.load()
    assert said.startswith(TOO_OFTEN)
    assert not machine.will_start
    assert machine.run("check").returncode == 1
    machine.run("reset")
    assert machine.load().startswith("loaded ")


def test_a_failure_is_told_by_the_boot_after_it(machine):
    machine.load()
    machine.boot(GRUB)
    said = machine.run("confirm").stdout
    assert said == (
        f"the last kexec did not come up: {KERNEL} was loaded, and this boot came through firmware (1 in a row)\n"
    )
    assert machine.run("confirm").stdout == ""


@pytest.mark.parametrize(("path", "content"), [(KERNEL, bzimage(8192)), (INITRD, debian_initrd() + b"\0" * 500)])
def test_a_kernel_that_has_changed_is_tried_again(machine, path, content):
    fail(machine, 2)
    assert machine.load().startswith(TOO_OFTEN)
    machine.write(path, content)
    assert machine.load().startswith("loaded ")


def test_another_kernel_is_not_held_to_account(machine):
    fail(machine, 2)
    other = "/boot/vmlinuz-6.1.0-2-amd64"
    machine.write(other, machine.path(KERNEL).read_bytes())
    machine.write("/etc/default/kexec-load.d/other.conf", f"KERNEL={other}\n")
    assert machine.load().startswith(f"loaded {other}")


def test_one_kexec_that_comes_up_clears_the_failures(machine):
    fail(machine, 1)
    machine.load()
    machine.boot(KEXEC)
    assert machine.run("confirm").stdout == f"the last kexec came up: {KERNEL}\n"
    fail(machine, 1)
    assert machine.load().startswith("loaded ")


def test_a_boot_through_firmware_that_never_reaches_its_target_counts_at_its_reboot(machine):
    fail(machine, 1)
    machine.load()
    machine.boot(GRUB)
    said = machine.load()
    assert "this boot came through firmware (2 in a row)\n" in said
    assert TOO_OFTEN in said


def test_a_kexec_that_came_up_and_was_rebooted_early_is_neither_success_nor_failure(machine):
    fail(machine, 1)
    machine.load()
    machine.boot(KEXEC)
    assert "the last kexec came up, and was rebooted before it reached its target" in machine.load()
    machine.boot(GRUB, "last")
    assert "(2 in a row)" in machine.run("confirm").stdout


def test_a_reboot_that_stood_aside_is_no_attempt(machine):
    machine.run("skip")
    machine.load()
    machine.boot(GRUB)
    assert machine.run("confirm").stdout == ""
    assert not machine.path("/var/lib/kexec-load").exists()


def test_a_load_that_failed_is_no_attempt(machine):
    machine.orders("kexec_file_load", "fail Exec format error")
    machine.orders("kexec_load", "fail Exec format error")
    assert machine.run("load").returncode == 1
    assert not machine.path("/var/lib/kexec-load").exists()


def test_with_a_limit_of_zero_a_kernel_is_always_tried(machine):
    machine.write("/etc/default/kexec-load.d/limit.conf", "MAX_FAILURES=0\n")
    fail(machine, 3)
    assert machine.load().startswith("loaded ")


def test_an_attempt_that_cannot_be_noted_is_not_made(machine):
    machine.write("/var/lib/kexec-load", "a file where a folder should be")
    assert "standing aside: cannot note the attempt in /var/lib/kexec-load (MAX_FAILURES=2)\n" in machine.load()
    assert not machine.loaded
    assert not machine.will_start
    machine.write("/etc/default/kexec-load.d/limit.conf", "MAX_FAILURES=0\n")
    assert machine.load().startswith("loaded ")


def test_a_load_that_comes_to_nothing_takes_back_the_note_of_one_before_it(machine):
    machine.load()
    machine.run("skip")
    machine.load()
    machine.boot(GRUB)
    assert machine.run("confirm").stdout == ""


def test_a_failure_that_cannot_be_counted_is_counted_later(machine):
    machine.load()
    machine.boot(GRUB)
    full = machine.path("/var/lib/kexec-load/failures.new")
    full.mkdir()
    failed = machine.run("confirm")
    assert (failed.returncode, failed.stderr) == (1, "")
    assert failed.stdout == f"the failed kexec of {KERNEL} cannot be put down in /var/lib/kexec-load/failures\n"
    full.rmdir()
    assert "(1 in a row)" in machine.run("confirm").stdout


def test_the_note_is_on_the_disk_before_the_kernel_is_started(machine):
    machine.program("sync", '#!/bin/sh\necho "$@" >>"$FAKE/synced"\n')
    machine.load()
    folder = machine.path("/var/lib/kexec-load")
    assert (machine.fake / "synced").read_text().splitlines() == [f"{folder}/note.new", str(folder)]
    assert machine.names("/var/lib/kexec-load") == ["note"]


def test_where_the_kernel_does_not_tell_how_it_came_its_command_line_does(any_machine):
    machine = any_machine
    bootloader_type = machine.path("/proc/sys/kernel/bootloader_type")
    bootloader_type.unlink()
    machine.load()
    command_line = machine.calls[-1].split("--command-line=", 1)[1].removesuffix("|")
    assert command_line.startswith("root=LABEL=root ro quiet kexec_load.once kexec_load.attempt=")
    machine.boot(GRUB)
    bootloader_type.unlink()
    machine.write("/proc/cmdline", command_line + "\n")
    assert machine.run("confirm").stdout.startswith("the last kexec came up")
    machine.load()
    machine.boot(GRUB, "third")
    bootloader_type.unlink()
    assert machine.run("confirm").stdout.startswith("the last kexec did not come up")


def test_status_shows_the_last_attempts_and_their_outcomes(any_machine):
    machine = any_machine
    fail(machine, 1)
    machine.load()
    machine.boot(KEXEC)
    machine.run("confirm")
    fail(machine, 1)
    machine.load()
    lines = machine.run("status").stdout.splitlines()
    assert lines[0].startswith("next reboot: kexec of ")
    shown = [" ".join(word for word in line.split() if not word.startswith("20")) for line in lines[3:]]
    assert shown == [
        f"attempt not settled yet: {KERNEL} at",
        f"failures in a row: 1 of {KERNEL} (limit 2)",
        f"attempt: failed {KERNEL}",
        f"attempt: came-up {KERNEL}",
        f"attempt: failed {KERNEL}",
    ]


def test_the_history_does_not_grow_without_bound(machine):
    history = machine.write("/var/lib/kexec-load/history", f"2026-01-01T00:00:00Z came-up {KERNEL}\n" * 500)
    fail(machine, 1)
    assert len(history.read_text().splitlines()) == 20


@pytest.mark.parametrize("content", [b"", b"\0\xff" * 500, b"kernel=$(touch pwned)\nkey=`touch pwned`\nboot=x\n"])
@pytest.mark.parametrize("name", ["note", "failures", "history"])
def test_a_damaged_record_is_survived_and_never_run(machine, name, content):
    machine.write(f"/var/lib/kexec-load/{name}", content)
    assert machine.run("confirm").returncode == 0
    assert machine.run("status").returncode == 0
    assert "loaded " in machine.load()
    assert list(machine.folder.rglob("pwned")) == []
