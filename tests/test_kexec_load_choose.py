"""kexec-load chooses the kernel that a normal boot would start: real layouts, then each source by itself.

What GRUB's configuration can say is in test_kexec_load_grub.py.
"""

from __future__ import annotations

import subprocess
import tomllib

import pytest
from kexec_load_roots import LAYOUTS, LIB, ROOTS, SHELLS, UUID, Root, programs

pytestmark = pytest.mark.parametrize("shell", SHELLS)

MACHINE = "0f6e9c1b7d3a4c2e8b5a1d9f3e7c6b40"
ENTRIES = f"boot/efi/loader/entries/{MACHINE}"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_distributions_layout_gives_the_kernel_that_it_would_boot(layout, shell, tmp_path):
    choice = Root(tmp_path, shell, layout).choose()
    expected = tomllib.loads((ROOTS / f"{layout}.toml").read_text())
    assert (choice.verdict, choice.errors) == (0, "")
    found = {name: getattr(choice, name) for name in ("source", "reason", "kernel", "initrds", "command_line")}
    if choice.one_shot:
        found["one_shot"] = choice.one_shot
    assert found == expected


# -- settings ------------------------------------------------------------------------------------------------


def test_settings_come_before_the_boot_loader(shell, tmp_path):
    root = Root(tmp_path, shell, "debian-11")
    root.write("etc/default/kexec-load", "KERNEL=/vmlinuz\nINITRD=/initrd.img\n")
    choice = root.choose()
    assert (choice.verdict, choice.source) == (0, "configuration")
    assert choice.kernel == "/boot/vmlinuz-5.10.0-10-amd64"
    assert choice.command_line == f"root=UUID={UUID} ro quiet"


def test_append_replaces_the_whole_command_line_of_whatever_is_chosen(shell, tmp_path):
    root = Root(tmp_path, shell, "debian-11")
    root.write("etc/default/kexec-load", f"APPEND='root=UUID={UUID} panic=5'\n")
    choice = root.choose()
    assert (choice.source, choice.command_line) == ("grub", f"root=UUID={UUID} panic=5")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("KERNEL=/boot/gone\n", "KERNEL= in the settings: there is no file /boot/gone"),
        ("INITRD=/initrd.img\n", "INITRD= is set, but KERNEL= is not"),
        ("APPEND=root=UUID=gone\n", "root=UUID=gone names no device here"),
    ],
)
def test_settings_that_cannot_be_followed_are_no_reason_to_boot_something_else(settings, reason, shell, tmp_path):
    root = Root(tmp_path, shell, "debian-11")
    root.write("etc/default/kexec-load", settings)
    choice = root.choose()
    assert choice.verdict == 2
    assert choice.reason.endswith(reason)


# -- systemd-boot --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "version"),
    [("*-6.12.9-*", "6.12.9-amd64"), (f"{MACHINE}-6.12.9-amd64", "6.12.9-amd64"), ("nothing*", "6.12.38+deb13-amd64")],
)
def test_default_of_loader_conf_is_a_pattern(pattern, version, shell, tmp_path):
    root = Root(tmp_path, shell, "debian-13-systemd-boot")
    root.write("boot/efi/loader/loader.conf", f"timeout 3\r\ndefault {pattern}\r\n")
    assert root.choose().kernel == f"/boot/efi/{MACHINE}/{version}/linux"


def test_entry_for_one_boot_is_chosen_and_can_be_taken_back(shell, tmp_path):
    root = Root(tmp_path, shell, "debian-13-systemd-boot")
    variable = root.efi_variable("LoaderEntryOneShot", f"{MACHINE}-6.12.9-amd64.conf")
    choice = root.choose(consume=True)
    assert (choice.verdict, choice.kernel) == (0, f"/boot/efi/{MACHINE}/6.12.9-amd64/linux")
    assert choice.one_shot == f"/{variable.relative_to(root.path)}"
    assert not variable.exists()


def test_saved_default_is_the_entry_booted_last(shell, tmp_path):
    root = Root(tmp_path, shell, "debian-13-systemd-boot")
    root.write("boot/efi/loader/loader.conf", "default @saved\n")
    root.efi_variable("LoaderEntryLastBooted", f"{MACHINE}-6.12.9-amd64.conf")
    assert root.choose().kernel == f"/boot/efi/{MACHINE}/6.12.9-amd64/linux"


@pytest.mark.parametrize("tries", ["+0", "+0-3"])
def test_entry_that_used_up_its_tries_comes_last(tries, shell, tmp_path):
    root = Root(tmp_path, shell, "debian-13-systemd-boot")
    newest = root.path / f"{ENTRIES}-6.12.38+deb13-amd64.conf"
    newest.rename(newest.with_name(f"{MACHINE}-6.12.38+deb13-amd64{tries}.conf"))
    assert root.choose().kernel == f"/boot/efi/{MACHINE}/6.12.9-amd64/linux"


def test_entry_on_trial_is_left_to_the_boot_loader_which_counts(shell, tmp_path):
    root = Root(tmp_path, shell, "debian-13-systemd-boot")
    newest = root.path / f"{ENTRIES}-6.12.38+deb13-amd64.conf"
    newest.rename(newest.with_name(f"{MACHINE}-6.12.38+deb13-amd64+3.conf"))
    choice = root.choose()
    assert choice.verdict == 2
    assert "is on trial, and only the boot loader counts its tries" in choice.reason


def test_entry_of_another_architecture_is_passed_over(shell, tmp_path):
    root = Root(tmp_path, shell, "debian-13-systemd-boot")
    with (root.path / f"{ENTRIES}-6.12.38+deb13-amd64.conf").open("a") as entry:
        entry.write("architecture aa64\n")
    assert root.choose().kernel == f"/boot/efi/{MACHINE}/6.12.9-amd64/linux"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("title Memory test\nefi /EFI/memtest.efi\n", "is no Linux that kexec could start"),
        ("linux /linux\noptions root=/dev/vda2\ndevicetree /board.dtb\n", "brings a device tree of its own"),
        ("linux /linux\noptions ro\n", "its command line has no root="),
        ("linux /linux\noptions root=PARTUUID=gone\n", "root=PARTUUID=gone names no device here"),
        ("linux /gone\noptions root=/dev/vda2\n", "there is no file /boot/efi/gone"),
        ("linux /linux\ninitrd /gone\noptions root=/dev/vda2\n", "there is no file /boot/efi/gone"),
    ],
)
def test_default_entry_that_cannot_be_kexeced_is_left_to_a_normal_boot(entry, reason, shell, tmp_path):
    root = Root(tmp_path, shell, "debian-13-systemd-boot")
    root.write("boot/efi/linux", "kernel")
    root.write("boot/efi/loader/entries/chosen.conf", entry)
    root.efi_variable("LoaderEntryDefault", "chosen.conf")
    choice = root.choose()
    assert (choice.verdict, choice.source) == (2, "boot-loader-specification")
    assert reason in choice.reason


@pytest.mark.parametrize("default", ["auto-reboot-to-firmware-setup", "auto-windows", "debian*.efi"])
def test_firmware_setup_windows_and_unified_images_are_left_to_a_normal_boot(default, shell, tmp_path):
    root = Root(tmp_path, shell, "debian-13-systemd-boot")
    root.write("boot/efi/EFI/Linux/debian-6.12.efi", "MZ")
    root.write("boot/efi/loader/loader.conf", f"default {default}\n")
    choice = root.choose()
    assert choice.verdict == 2
    assert default in choice.reason


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("LoaderInfo", "rEFInd 0.14.2", "whose configuration is not known here (rEFInd 0.14.2)"),
        ("StubInfo", "systemd-stub 257", "started as a unified kernel image"),
        ("LoaderInfo", "systemd-boot 257", "whose entries are not in /efi, /boot/efi or /boot"),
    ],
)
def test_what_started_this_system_is_asked_even_where_there_is_a_grub_cfg(variable, value, reason, shell, tmp_path):
    root = Root(tmp_path, shell, "debian-11")
    root.efi_variable(variable, value)
    choice = root.choose()
    assert choice.verdict == 2
    assert reason in choice.reason


def test_entries_left_by_another_boot_loader_do_not_hide_grub(shell, tmp_path):
    root = Root(tmp_path, shell, "debian-11")
    root.write("boot/loader/entries/old.conf", "linux /gone\n")
    root.efi_variable("LoaderInfo", "GRUB 2.12")
    assert (root.choose().source, root.choose().verdict) == ("grub", 0)


# -- no boot loader ------------------------------------------------------------------------------------------


def test_no_kernel_at_all_is_said(shell, tmp_path):
    choice = Root(tmp_path, shell).choose()
    assert (choice.verdict, choice.source) == (1, "")
    assert choice.reason == "no kernel found: nothing is configured, and there is none in /boot"


def test_link_to_an_initrd_that_is_gone_is_no_boot_without_initrd(shell, tmp_path):
    root = Root(tmp_path, shell, "debian-without-boot-loader")
    (root.path / "boot/initrd.img-6.1.0-9-amd64").unlink()
    choice = root.choose()
    assert choice.verdict == 2
    assert choice.reason == "/vmlinuz: there is no file /boot/initrd.img-6.1.0-9-amd64"


def test_newest_kernel_whose_initrd_is_not_made_yet_is_not_booted(shell, tmp_path):
    root = Root(tmp_path, shell, "rpm-without-boot-loader")
    root.write("boot/vmlinuz-6.12.1-100.fc41.x86_64", "kernel")
    choice = root.choose()
    assert choice.verdict == 2
    assert choice.reason.endswith("it has no initrd, but others have")


@pytest.mark.parametrize(
    ("order", "older", "newer"),
    [
        ("dpkg", "6.1.0-9", "6.1.0-10"),
        ("dpkg", "6.1~rc1", "6.1"),
        ("dpkg", "6.1.0a", "6.1.0+"),
        ("dpkg", "6.1", "6.1-rc1"),
        ("rpm", "6.9.12-200.fc40", "6.11.4-301.fc41"),
        ("rpm", "6.1~rc1", "6.1"),
        ("rpm", "6.1", "6.1^git1"),
        ("rpm", "6.1^git1", "6.1.1"),
        ("rpm", "6.a", "6.1"),
        ("uapi", "6.1~rc1", "6.1"),
        ("uapi", "6.1", "6.1-1"),
        ("uapi", "6.1-2", "6.1.1"),
        ("uapi", "6.1^post", "6.1.1"),
        ("uapi", "00000000000000000000009", "10"),
        ("dpkg", "9" * 40, "1" + "0" * 40),
    ],
)
def test_versions_are_ordered_as_the_package_manager_orders_them(order, older, newer, shell, tmp_path):
    program = "BEGIN { for (at = 2; at <= 4; at++) print compare_versions(ARGV[1], ARGV[at], ARGV[at + 1]) }"
    (tmp_path / "main.awk").write_text(program)
    done = subprocess.run(
        [
            programs(shell) / "awk",
            "-f",
            LIB / "version.awk",
            "-f",
            tmp_path / "main.awk",
            order,
            older,
            newer,
            newer,
            older,
        ],
        capture_output=True,
        text=True,
        env={"LC_ALL": "C"},
        check=True,
    )
    assert done.stdout.split() == ["-1", "0", "1"]


# -- root= ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        (f"root=UUID={UUID}", 0),
        (f"root=UUID={UUID.upper()}", 0),
        ('"root=LABEL=my root"', 0),
        ('root="LABEL=my root"', 0),
        ("root=LABEL=my\\x20root", 0),
        ("root=LABEL=sys/a", 0),
        ("root=PARTLABEL=gone", 2),
        ("root=/dev/vda2", 0),
        ("root=/dev/mapper/gone", 2),
        ("root=/dev/gone root=/dev/vda2", 0),
        ("root=/dev/vda2 root=/dev/gone", 2),
        ("root=/dev/vda2 -- root=/dev/gone", 0),
        ("root=ZFS=rpool/ROOT/debian", 0),
        ("root=live:LABEL=gone rd.live.image", 0),
        ("root=nonsense", 2),
        ("quiet", 2),
    ],
)
def test_root_must_name_something_that_exists(words, verdict, shell, tmp_path):
    root = Root(tmp_path, shell, "debian-11")
    for name in ("my\\x20root", "sys\\x2fa"):
        root.write(f"dev/disk/by-label/{name}", "")
    (root.path / "dev/disk/by-partlabel").mkdir()
    root.write("etc/default/kexec-load", f"APPEND='{words}'\n")
    choice = root.choose()
    assert choice.verdict == verdict, choice.reason
    assert verdict == 2 or choice.command_line == words


def test_no_root_is_fine_where_the_running_initrd_found_it_without(shell, tmp_path):
    root = Root(tmp_path, shell, "debian-11")
    root.write("proc/cmdline", "quiet\n")
    root.write("etc/default/kexec-load", "APPEND=quiet\n")
    assert root.choose().verdict == 0


def test_without_udev_the_root_of_the_running_system_is_trusted(shell, tmp_path):
    root = Root(tmp_path, shell, "debian-11")
    (root.path / "dev/disk").rename(root.path / "dev/no-disk")
    assert root.choose().verdict == 0
    root.write("proc/cmdline", "root=LABEL=other\n")
    assert root.choose().verdict == 2
