"""kexec-load as its operator meets it: what a shutdown does, and what it says."""

from __future__ import annotations

import struct

import pytest
from kexec_load_machine import INITRD, KERNEL, SOURCE, Machine

EFIVARS = "/sys/firmware/efi/efivars"
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"


def indications(bits: int) -> bytes:
    """OsIndications as efivarfs shows it."""
    return struct.pack("<IQ", 7, bits)


def test_a_plain_reboot_becomes_a_kexec_of_the_kernel_chosen(any_machine):
    machine = any_machine
    command_line = "--command-line=root=LABEL=root ro quiet"
    said = machine.load()
    assert said == f"loaded {KERNEL} (KERNEL= in the settings)\n"
    assert machine.calls == [
        f"--kexec-file-syscall|--load|{machine.root}{KERNEL}|--initrd={machine.root}{INITRD}|{command_line}|"
    ]
    assert machine.kernel_log == f"<6>kexec-load: {said}"
    assert machine.will_start


def test_words_for_one_boot_stand_behind_the_marker_that_the_next_load_cuts_at(any_machine):
    machine = any_machine
    machine.write("/run/kexec-load/conf.d/kexec-harness.conf", 'APPEND_ONCE="nonce=1 panic=-1"\n')
    machine.load()
    assert machine.calls[0].endswith("--command-line=root=LABEL=root ro quiet kexec_load.once nonce=1 panic=-1|")


@pytest.mark.parametrize("target", ["poweroff", "halt", "soft-reboot", "rescue", "emergency", "exit"])
def test_a_shutdown_that_is_no_reboot_loads_nothing_and_leaves_a_foreign_image_alone(machine, target):
    machine.queue(f"{target}.target")
    machine.write("/sys/kernel/kexec_loaded", "1\n")
    assert machine.load() == f"standing aside: {target} is queued, not a plain reboot\n"
    assert machine.calls == []
    assert machine.loaded


def test_the_operators_own_kexec_keeps_its_image(any_machine):
    machine = any_machine
    machine.queue("kexec.target")
    machine.write("/sys/kernel/kexec_loaded", "1\n")
    assert machine.load() == "standing aside: the operator asked for a kexec of their own image\n"
    assert machine.calls == []
    assert machine.loaded


def test_stopping_the_service_by_hand_does_nothing(machine):
    machine.queue()
    machine.write("/sys/kernel/kexec_loaded", "1\n")
    assert machine.load() == "standing aside: no reboot is queued\n"
    assert machine.calls == []


def test_a_systemd_that_does_not_answer_means_a_normal_reboot(machine):
    (machine.fake / "no-systemd").touch()
    assert machine.load() == "standing aside: systemd does not say what it is about to do\n"
    assert machine.calls == []


def test_another_init_may_say_what_is_under_way(machine):
    (machine.fake / "no-systemd").touch()
    machine.extra["KEXEC_LOAD_SHUTDOWN"] = "reboot"
    assert machine.load().startswith("loaded ")
    machine.extra["KEXEC_LOAD_SHUTDOWN"] = "poweroff"
    assert machine.load() == "standing aside: poweroff is queued, not a plain reboot\n"


REFUSALS = {
    "disabled": ("/proc/sys/kernel/kexec_load_disabled", "1\n", "kernel.kexec_load_disabled is set"),
    "limited": (
        "/proc/sys/kernel/kexec_load_limit_reboot",
        "0\n",
        "kernel.kexec_load_limit_reboot allows no more loads",
    ),
    "container": ("/run/systemd/container", "lxc\n", "this is a container"),
    "coldreboot": ("/no-kexec-reboot", "", "asked for by coldreboot (/no-kexec-reboot)"),
    "entry in GRUB, and KERNEL= names another": (
        "/boot/grub/grubenv",
        "# GRUB Environment Block\nnext_entry=memtest\n",
        "a reboot to a boot loader entry was asked for (grub-reboot: memtest)",
    ),
    "entry by EFI, and KERNEL= names another": (
        f"{EFIVARS}/LoaderEntryOneShot-{LOADER}",
        b"\6\0\0\0" + "memtest.conf\0".encode("utf-16-le"),
        "a reboot to a boot loader entry was asked for (EFI variable LoaderEntryOneShot: memtest.conf)",
    ),
    "crash kernel": ("/proc/vmcore", "core", "this is a crash kernel (/proc/vmcore exists)"),
    "firmware setup": ("/run/systemd/reboot-to-firmware-setup", "", "a reboot to firmware setup was asked for"),
    "firmware setup by EFI": (
        f"{EFIVARS}/OsIndications-{GLOBAL}",
        indications(1),
        "a reboot to firmware setup was asked for (EFI variable OsIndications)",
    ),
    "capsule": (
        f"{EFIVARS}/OsIndications-{GLOBAL}",
        indications(4),
        "a firmware update is pending (EFI variable OsIndications: capsule on disk)",
    ),
    "recovery": (
        f"{EFIVARS}/OsIndications-{GLOBAL}",
        indications(0x40),
        "a reboot to firmware recovery was asked for (EFI variable OsIndications)",
    ),
    "loader menu": (
        "/run/systemd/reboot-to-boot-loader-menu",
        "10000000",
        "a reboot to the boot loader menu was asked for",
    ),
    "loader menu by EFI": (
        f"{EFIVARS}/LoaderConfigTimeoutOneShot-{LOADER}",
        b"\7\0\0\0" + b"5\0\0\0",
        "a reboot to the boot loader menu was asked for",
    ),
    "loader entry": (
        "/run/systemd/reboot-to-boot-loader-entry",
        "memtest.conf\n",
        "a reboot to a boot loader entry was asked for (memtest.conf)",
    ),
    "next firmware entry": (
        f"{EFIVARS}/BootNext-{GLOBAL}",
        b"\7\0\0\0\1\0",
        "firmware was asked to boot another entry once (EFI variable BootNext)",
    ),
    "argument": ("/run/systemd/reboot-param", "recovery\n", "the reboot has an argument (recovery)"),
    "firmware settings": (
        "/sys/class/firmware-attributes/dell/attributes/pending_reboot",
        "1\n",
        "changed firmware settings wait for a reboot (/sys/class/firmware-attributes/dell/attributes/pending_reboot)",
    ),
    "fwupd": (
        "/var/lib/fwupd/pending.db",
        "written now, and this boot was in 2023",
        "a firmware update may be pending (fwupd wrote /var/lib/fwupd/pending.db since this boot)",
    ),
}


@pytest.mark.parametrize(("path", "content", "reason"), REFUSALS.values(), ids=REFUSALS)
def test_the_reboot_is_a_normal_one_and_says_why(machine, path, content, reason):
    machine.write("/boot/grub/grub.cfg", "")
    machine.write(path, content)
    machine.write("/sys/kernel/kexec_loaded", "1\n")
    assert machine.load() == f"standing aside: {reason}\n"
    assert machine.kernel_log == f"<6>kexec-load: standing aside: {reason}\n"
    assert machine.calls == ["--unload|"]
    assert not machine.will_start


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (f"{EFIVARS}/OsIndications-{GLOBAL}", indications(0)),
        ("/run/systemd/reboot-param", ""),
        ("/proc/sys/kernel/kexec_load_disabled", "0\n"),
        ("/proc/sys/kernel/kexec_load_limit_reboot", "-1\n"),
        ("/sys/class/firmware-attributes/dell/attributes/pending_reboot", "0\n"),
        ("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n"),
    ],
)
def test_the_usual_state_of_a_machine_is_no_reason_against_a_kexec(machine, path, content):
    machine.write(path, content)
    assert machine.load().startswith("loaded ")


def test_skip_holds_for_one_reboot(any_machine):
    machine = any_machine
    machine.run("skip")
    assert machine.load() == "standing aside: asked to skip (/run/kexec-load/skip)\n"
    machine.boot(loader=114)
    assert machine.load().startswith("loaded ")


def test_coldreboot_holds_for_one_reboot_and_looking_does_not_use_it_up(any_machine):
    machine = any_machine
    machine.write("/no-kexec-reboot", "")
    assert machine.run("check").returncode == 1
    assert machine.load() == "standing aside: asked for by coldreboot (/no-kexec-reboot)\n"
    machine.boot(loader=114)
    assert machine.load().startswith("loaded ")


def test_skip_can_be_taken_back(machine):
    machine.run("skip")
    machine.run("unskip")
    assert machine.load().startswith("loaded ")


@pytest.mark.parametrize("verb", ["poweroff", "halt", "kexec"])
def test_the_hook_acts_in_a_reboot_only(machine, verb):
    machine.load()
    machine.hook(verb)
    assert "--exec|" not in machine.calls


def test_the_hook_goes_by_what_is_staged_where_systemd_names_no_verb(machine):
    """As systemd 262 calls it."""
    machine.hook("")
    assert "--exec|" not in machine.calls
    machine.load()
    machine.hook("")
    assert "--exec|" in machine.calls


def test_the_hook_starts_no_image_that_kexec_load_has_not_loaded(machine):
    machine.write("/sys/kernel/kexec_loaded", "1\n")
    assert not machine.will_start


@pytest.mark.parametrize("allowed", ["-1", "7"])
def test_the_hook_starts_no_image_that_was_loaded_after_the_staged_one(any_machine, allowed):
    machine = any_machine
    counter = machine.write("/proc/sys/kernel/kexec_load_limit_reboot", f"{allowed}\n")
    assert machine.load().startswith("loaded ")
    assert machine.will_start
    # As the kernel counts them.
    counter.write_text(f"{int(counter.read_text()) - 1}\n")
    assert not machine.will_start
    assert "an image was loaded after the one that is staged; rebooting through firmware" in machine.kernel_log


def test_the_hook_starts_nothing_when_the_image_is_gone(machine):
    machine.load()
    machine.write("/sys/kernel/kexec_loaded", "0\n")
    assert not machine.will_start


def test_the_hook_finds_the_kernels_answer_in_its_new_place(machine):
    machine.load()
    machine.path("/sys/kernel/kexec_loaded").unlink()
    machine.write("/sys/kernel/kexec/loaded", "1\n")
    assert machine.will_start
    assert "<3>kexec-load: kexec --exec returned 3; rebooting through firmware\n" in machine.kernel_log


@pytest.mark.parametrize("arguments", [(), ("reboot",), ("--help",), ("load", "now"), ("check", "-j")])
def test_wrong_usage_is_told_apart_from_failure(machine, arguments):
    done = machine.run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: kexec-load ")


def test_the_journal_gets_each_outcome_with_its_fields(machine):
    machine.extra["JOURNAL_STREAM"] = "8:1"
    assert machine.load() == ""
    machine.orders("kexec_file_load", "ok", "fail Exec format error")
    machine.orders("kexec_load", "fail Exec format error")
    assert machine.run("load").returncode == 1
    machine.run("skip")
    assert machine.load() == ""
    entries = (machine.fake / "journal").read_text("utf-8").split("\n\n")
    fields = [dict(line.split("=", 1) for line in entry.splitlines()) for entry in entries if entry]
    outcomes = [entry for entry in fields if "KEXEC_LOAD_RESULT" in entry]
    assert [entry["KEXEC_LOAD_RESULT"] for entry in outcomes] == ["loaded", "failed", "stood-aside"]
    assert len({entry["MESSAGE_ID"] for entry in outcomes}) == 3
    assert outcomes[0]["KEXEC_LOAD_KERNEL"] == KERNEL
    assert outcomes[0]["KEXEC_LOAD_SOURCE"] == "configuration"
    assert outcomes[2]["KEXEC_LOAD_REASON"] == "asked to skip (/run/kexec-load/skip)"
    assert "ENOEXEC" in outcomes[1]["MESSAGE"]


def test_a_complaint_about_the_settings_is_made_once(machine):
    machine.extra["JOURNAL_STREAM"] = "8:1"
    machine.config(f"KERNEL={KERNEL}\nMAX_FAILURES=many\n")
    machine.load()
    assert (machine.fake / "journal").read_text("utf-8").count("MAX_FAILURES=many is not a number") == 1


def test_the_manual_names_the_message_ids_that_are_used():
    manual = (SOURCE / "kexec-load.8").read_text("utf-8")
    common = (SOURCE / "lib/common.sh").read_text("utf-8")
    ids = [line.split("=")[1] for line in common.splitlines() if line.startswith("ID_")]
    assert len(ids) == 3
    assert all(number in manual for number in ids)


def test_without_a_kexec_program_the_reboot_is_a_normal_one(tmp_path):
    machine = Machine(tmp_path, "busybox")
    (machine.bin / "kexec").unlink()
    assert machine.load() == "standing aside: there is no kexec program (package kexec-tools)\n"
