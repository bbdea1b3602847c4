"""What GRUB's configuration can say, and what kexec-load makes of it."""

from __future__ import annotations

import pytest
from kexec_load_roots import SHELLS, UUID, Root

pytestmark = pytest.mark.parametrize("shell", SHELLS)

CONFIG = "boot/grub/grub.cfg"
ADVANCED = f"gnulinux-advanced-{UUID}"
OLD = "5.10.0-8-amd64"
NEW = "5.10.0-10-amd64"


def entry(title: str, *commands: str) -> str:
    return "menuentry '" + title + "' {\n" + "".join(f"\t{command}\n" for command in commands) + "}\n"


def linux(title: str, words: str = "root=/dev/vda2") -> str:
    return entry(title, f"linux /boot/vmlinuz {words}")


def custom(folder, shell, config: str) -> Root:
    root = Root(folder, shell)
    root.write("boot/vmlinuz", "kernel")
    root.write(CONFIG, config)
    return root


@pytest.mark.parametrize(
    ("default", "kernel"),
    [
        ("0", NEW),
        ("1>0", NEW),
        ("1>2", OLD),
        ("1", NEW),
        ("Debian GNU/Linux", NEW),
        (f"Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux {OLD}", OLD),
        (f"{ADVANCED}>gnulinux-{OLD}-advanced-{UUID}", OLD),
        (f"{ADVANCED}>2", OLD),
        (f"1>gnulinux-{OLD}-advanced-{UUID}", OLD),
        (f"{ADVANCED}>gone", NEW),
        ("gone", NEW),
        ("17", NEW),
        ("", NEW),
    ],
)
def test_default_names_an_entry_by_number_title_id_or_path_or_else_it_is_the_first(default, kernel, shell, tmp_path):
    root = Root(tmp_path, shell, "debian-11")
    root.edit(CONFIG, 'set default="0"', f'set default="{default}"')
    choice = root.choose()
    assert (choice.verdict, choice.kernel) == (0, f"/boot/vmlinuz-{kernel}"), choice.reason
    assert ("names no entry, so the first" in choice.reason) == (default in ("gone", "17", f"{ADVANCED}>gone"))


def test_entry_for_one_boot_is_forgotten_once_it_is_loaded_and_the_rest_is_kept(shell, tmp_path):
    root = Root(tmp_path, shell, "debian-12-grub-reboot")
    grubenv = root.grubenv(saved_entry="0", next_entry="1>2", other="x#y")
    assert root.choose(consume=True).kernel == "/boot/vmlinuz-6.1.0-9-amd64"
    assert grubenv.read_text() == ("# GRUB Environment Block\nsaved_entry=0\nnext_entry=\nother=x#y\n".ljust(1024, "#"))
    assert root.choose().kernel == "/boot/vmlinuz-6.1.0-18-amd64"


@pytest.mark.parametrize("block", [b"", b"saved_entry=1>2\n", b"\0" * 1024])
def test_damaged_environment_block_is_ignored_as_grub_does(block, shell, tmp_path):
    root = Root(tmp_path, shell, "debian-12-separate-boot")
    root.write("boot/grub/grubenv", block)
    assert root.choose().kernel == "/boot/vmlinuz-6.1.0-18-amd64"


def test_kernel_on_a_file_system_that_is_not_mounted_is_not_mistaken_for_one_here(shell, tmp_path):
    root = Root(tmp_path, shell, "debian-11")
    root.edit(
        CONFIG,
        f"--set=root --hint-bios=hd0,gpt2 --hint-efi=hd0,gpt2 --hint-baremetal=ahci0,gpt2 {UUID}",
        "--set=root 11111111-2222-3333-4444-555555555555",
    )
    choice = root.choose()
    assert choice.verdict == 2
    assert f"there is no /boot/vmlinuz-{NEW} on a file system that is mounted here" in choice.reason


def test_btrfs_over_several_devices_is_known_by_any_of_them(shell, tmp_path):
    root = Root(tmp_path, shell, "debian-13-btrfs")
    root.edit("proc/self/mountinfo", "/dev/vda2", "/dev/vdb2")
    assert root.choose().verdict == 2
    for device in ("vda2", "vdb2"):
        root.write(f"sys/fs/btrfs/{UUID}/devices/{device}", "")
    assert root.choose().kernel == "/boot/vmlinuz-6.12.38+deb13-amd64"


@pytest.mark.parametrize("saved", ["ignored_entry", "saved_entry=6.9.12"])
def test_newest_of_fedoras_entries_is_booted_where_none_that_exists_was_saved(saved, shell, tmp_path):
    root = Root(tmp_path, shell, "fedora-41")
    root.edit("boot/grub2/grubenv", "saved_entry", saved)
    assert root.choose().kernel == "/boot/vmlinuz-6.11.10-300.fc41.x86_64"


def test_update_that_grub_counts_tries_of_is_left_to_grub(shell, tmp_path):
    root = Root(tmp_path, shell, "fedora-41")
    root.edit("boot/grub2/grubenv", "boot_success=1", "boot_success=0\nboot_counter=2")
    choice = root.choose()
    assert choice.verdict == 2
    assert "GRUB counts this boot in 'boot_counter'" in choice.reason


def test_entries_of_custom_cfg_belong_to_the_menu(shell, tmp_path):
    root = Root(tmp_path, shell, "debian-11")
    root.edit(CONFIG, 'set default="0"', 'set default="mine"')
    root.write(
        "boot/grub/custom.cfg", f"menuentry 'x' --id mine {{\n linux /boot/vmlinuz-{OLD} root=/dev/vda2 mine\n}}\n"
    )
    assert root.choose().command_line == "root=/dev/vda2 mine"


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        (["chainloader /EFI/Microsoft/Boot/bootmgfw.efi"], "is no Linux that kexec could start (chainloader)"),
        (["fwsetup"], "is no Linux that kexec could start (fwsetup)"),
        (["linux16 /boot/memtest86+.bin"], "is no Linux that kexec could start (memory test)"),
        (["multiboot2 /boot/xen.gz", "module2 /boot/vmlinuz"], "is no Linux that kexec could start (multiboot2)"),
        (["loopback loop /live.iso", "linux (loop)/vmlinuz"], "is no Linux that kexec could start (loopback)"),
        (
            ["linux /boot/vmlinuz root=/dev/vda2", "devicetree /b.dtb"],
            "is no Linux that kexec could start (devicetree)",
        ),
        (["linux (tftp)/gone root=/dev/vda2"], "there is no /gone"),
        (["true"], "loads no Linux kernel"),
        (["linux /boot/vmlinuz quiet"], "its command line has no root="),
        (["linux /boot/vmlinuz root=/dev/vda2", "initrd /boot/gone"], "there is no /boot/gone"),
        (["for x in 1 2; do", "true", "done"], "'for' is not understood"),
    ],
)
def test_entry_that_kexec_cannot_honour_is_left_to_a_normal_boot(commands, reason, shell, tmp_path):
    choice = custom(tmp_path, shell, entry("Other", *commands) + linux("Debian")).choose()
    assert (choice.verdict, choice.source) == (2, "grub")
    assert reason in choice.reason


@pytest.mark.parametrize(
    ("config", "title"),
    [
        ('if [ -n "$unset" ]; then set default=1; fi', "a"),
        ("if [ x$feature_menuentry_id = xy -a ! -z x ]; then set default=1; fi", "b"),
        ("if test a = b -o 1 -lt 2; then set default=1; else set default=0; fi", "b"),
        ("if false; then set default=0\nelif [ 1 ]\nthen\nset default=1\nelse\nset default=2\nfi", "b"),
        ("if [ a = a ]; then if [ a = b ]; then set default=2; else set default=1; fi; fi", "b"),
        ("function pick { set default=$1; }\npick 2", "c"),
        ("set x='1'; default=${x}", "b"),
        ('set x=1 # a remark\nset default="$x"', "b"),
        ("set default=\\\n1", "b"),
        ("if ! [ -e /anything ]; then set default=2; fi", "c"),
        ('if [ "$grub_platform" = efi ]; then set default=2; fi', "a"),
        ("set default=1\r", "b"),
        ("set default='c>d'", "c"),
        ("set default='c>>d'", "c>d"),
    ],
)
def test_variables_conditions_and_functions_work_as_in_grub(config, title, shell, tmp_path):
    menu = "".join(linux(name) for name in ("a", "b", "c", "c>d"))
    choice = custom(tmp_path, shell, f"set default=0\n{config}\n{menu}").choose()
    assert choice.reason.startswith(f"grub.cfg: entry '{title}' "), choice.reason


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("root=/dev/vda2   ro", "root=/dev/vda2 ro"),
        ("root=/dev/vda2 'a b'", 'root=/dev/vda2 "a b"'),
        ("root=/dev/vda2 a='b c'", 'root=/dev/vda2 "a=b c"'),
        ('root=/dev/vda2 "$none" $none x', "root=/dev/vda2  x".replace("  ", " ")),
        ("root=/dev/vda2 $several", "root=/dev/vda2 one two"),
        ("root=/dev/vda2 ${several}x", "root=/dev/vda2 one twox"),
        ("root=/dev/vda2 \\$several", "root=/dev/vda2 $several"),
        ("root=/dev/vda2 'dyndbg=\\\"file a +p\\\"'", 'root=/dev/vda2 "dyndbg=\\\\\\"file a +p\\\\\\""'),
        ("BOOT_IMAGE=/x root=/dev/vda2 initrd=y z", "root=/dev/vda2 z"),
    ],
)
def test_command_line_is_the_one_that_grub_would_pass(written, words, shell, tmp_path):
    choice = custom(tmp_path, shell, "set several='one two'\n" + linux("Debian", written)).choose()
    assert (choice.verdict, choice.command_line) == (0, words)


def test_entry_behind_a_password_is_not_booted_without_it(shell, tmp_path):
    config = "set superusers=root\npassword_pbkdf2 root grub.pbkdf2\n" + linux("Debian")
    assert "asks for a password" in custom(tmp_path, shell, config).choose().reason


def test_title_that_begins_with_a_digit_is_in_doubt(shell, tmp_path):
    config = "set default='6.1 special'\n" + linux("Debian") + linux("6.1 special")
    choice = custom(tmp_path, shell, config).choose()
    assert (choice.verdict, "differ on whether '6.1 special' is a number or a title" in choice.reason) == (2, True)


@pytest.mark.parametrize("default", ["snapshots", "0", ""])
def test_part_of_the_menu_that_cannot_be_read_leaves_all_of_it_in_doubt(default, shell, tmp_path):
    config = f"set default={default}\n" + linux("Debian") + "source /.snapshots/grub-snapshot.cfg\n"
    root = custom(tmp_path, shell, config)
    # Where this leads for GRUB, which sees one file system at a time, is not for us to say.
    (root.path / ".snapshots").symlink_to("boot")
    choice = root.choose()
    assert (choice.verdict, choice.kernel) == (2, "")
    assert "the file /.snapshots/grub-snapshot.cfg that GRUB reads cannot be read here" in choice.reason


def test_two_menus_of_which_only_grub_knows_the_right_one_are_both_left_to_it(shell, tmp_path):
    root = custom(tmp_path, shell, linux("Debian"))
    root.write("boot/grub2/grub.cfg", linux("Other"))
    choice = root.choose()
    assert (choice.verdict, choice.source) == (2, "grub")
    assert "there are /boot/grub/grub.cfg and /boot/grub2/grub.cfg" in choice.reason


def test_one_menu_by_two_names_is_one(shell, tmp_path):
    root = custom(tmp_path, shell, linux("Debian"))
    (root.path / "boot/grub2").symlink_to("grub")
    assert root.choose().kernel == "/boot/vmlinuz"


@pytest.mark.parametrize("name", ["boot/efi/EFI/fedora/grub.cfg", "efi/EFI/debian/grub.cfg"])
def test_menu_where_only_firmware_looks_is_no_reason_to_boot_the_newest_kernel(name, shell, tmp_path):
    root = Root(tmp_path, shell)
    root.write("boot/vmlinuz-1", "kernel")
    root.write(name, linux("Debian"))
    choice = root.choose()
    assert (choice.verdict, choice.reason) == (2, f"/{name} is the only grub.cfg, and is not read")


def test_menu_that_is_a_link_to_nowhere_is_no_reason_to_boot_the_newest_kernel(shell, tmp_path):
    root = Root(tmp_path, shell)
    root.write("boot/vmlinuz-1", "kernel")
    root.write("boot/grub/grubenv", "")
    (root.path / CONFIG).symlink_to("gone.cfg")
    assert root.choose().verdict == 2


def test_bytes_of_zero_in_the_filling_of_grubenv_do_not_hide_it(shell, tmp_path):
    root = custom(tmp_path, shell, 'load_env\nset default="$saved_entry"\n' + linux("a") + linux("b"))
    root.write("boot/grub/grubenv", b"# GRUB Environment Block\nsaved_entry=b\n".ljust(1000, b"#") + b"\0" * 24)
    assert root.choose().reason.startswith("grub.cfg: entry 'b' ")


@pytest.mark.parametrize("line", ["saved_entry", "saved_entry=b\\", "saved_entry=\x01b"])
def test_line_of_grubenv_that_is_no_variable_is_in_doubt(line, shell, tmp_path):
    root = custom(tmp_path, shell, 'load_env\nset default="$saved_entry"\n' + linux("a") + linux("b"))
    root.write("boot/grub/grubenv", f"# GRUB Environment Block\n{line}\n".ljust(1024, "#"))
    assert root.choose().verdict == 2


def test_subvolume_of_another_system_is_not_taken_for_this_one(shell, tmp_path):
    root = custom(tmp_path, shell, entry("Other", "linux /other/@/boot/vmlinuz root=/dev/vda2"))
    root.write("proc/self/mountinfo", "22 1 0:30 /debian/@ / rw - btrfs /dev/vda2 rw\n")
    assert "there is no /other/@/boot/vmlinuz on a file system that is mounted here" in root.choose().reason
    root.edit(CONFIG, "/other/@", "/debian/@")
    assert root.choose().kernel == "/boot/vmlinuz"


def test_path_from_the_top_of_a_btrfs_is_not_one_from_the_subvolume_that_is_mounted(shell, tmp_path):
    root = custom(tmp_path, shell, linux("Debian"))
    root.write("proc/self/mountinfo", "22 1 0:30 /@ / rw - btrfs /dev/vda2 rw\n")
    assert root.choose().verdict == 2
    root.write(CONFIG, "set btrfs_relative_path=yes\n" + linux("openSUSE"))
    assert root.choose().kernel == "/boot/vmlinuz"


def test_kernel_that_another_mount_hides_is_not_mistaken_for_the_one_on_it(shell, tmp_path):
    root = custom(tmp_path, shell, f"search --fs-uuid --set=root {UUID}\n" + linux("Debian"))
    mounts = "22 1 254:2 / / rw - ext4 /dev/vda2 rw\n"
    root.write("proc/self/mountinfo", mounts)
    (root.path / "dev/disk/by-uuid").mkdir(parents=True)
    (root.path / "dev/disk/by-uuid" / UUID).symlink_to("../../vda2")
    assert root.choose().kernel == "/boot/vmlinuz"
    root.write("proc/self/mountinfo", mounts + "23 22 254:1 / /boot rw - ext4 /dev/vda1 rw\n")
    assert root.choose().verdict == 2


def test_datasets_of_zfs_are_told_apart(shell, tmp_path):
    config = entry("Debian", "linux /ROOT/debian@/boot/vmlinuz root=ZFS=rpool/ROOT/debian")
    root = custom(tmp_path, shell, config)
    root.write("proc/self/mountinfo", "22 1 0:30 / / rw - zfs rpool/ROOT/debian rw\n")
    assert root.choose().kernel == "/boot/vmlinuz"
    root.edit(CONFIG, "/ROOT/debian@", "/ROOT/other@")
    assert root.choose().verdict == 2
