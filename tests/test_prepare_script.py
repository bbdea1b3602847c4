"""The script that makes a disk of the user's own a guest: how it changes what boot loaders read, in made-up roots.

The layouts are those of the distributions' cloud images, as their documentation has them.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from paths import PROJECT

from harness.errors import ImageError
from harness.images.guestfiles import UNPACKED, GuestFile, write_tar
from harness.images.preparation import Prepared, watch_preparation
from harness.model import AgentMessage, ProcessExit
from harness.qemu.agent import AgentDecoder
from harness.qemu.replay import ReplayMachine

SCRIPT = PROJECT / "images/own-disk/prepare"
WORDS = "console=ttyS0,115200 earlycon=uart8250,io,0x3f8,115200"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def program(root: Path, name: str, body: str = 'echo "$0 $*" >>"$CALLED"') -> None:
    """A program for the script to find, which by itself notes that it was called."""
    path = root.parent / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def file(root: Path, name: str, text: str = "") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def run(root: Path, call: str) -> tuple[int, str, str]:
    """Status, output, and messages of a call of one of the script's functions."""
    (root.parent / "bin").mkdir(exist_ok=True)
    messages, called = root.parent / "messages", root.parent / "called"
    for path in (messages, called):
        path.write_text("")
    env = {
        "PATH": "/usr/bin:/bin",
        "KEXEC_HARNESS_ROOT": str(root),
        "KEXEC_HARNESS_TTY": str(messages),
        "KEXEC_HARNESS_LOG": str(root.parent / "log"),
        "CALLED": str(called),
    }
    # The host's own programs of these names must not be called, and those of the test must.
    script = f". {SCRIPT}\nPATH={root.parent}/bin:/usr/bin:/bin\nSTEP=test FAILED=\n: >$LOG\n{call}\n"
    done = subprocess.run(["sh", "-c", script], env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, messages.read_text()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", WORDS),
        ("quiet splash", WORDS),
        ("root=UUID=1 ro console=tty1 console=ttyS0", f"root=UUID=1 ro console=tty1 {WORDS}"),
        (f"root=/dev/vda1 rhgb loglevel=3 {WORDS}", f"root=/dev/vda1 {WORDS}"),
        ("console=ttyS0,115200 console=tty0 earlyprintk=ttyS0,115200", f"console=tty0 {WORDS}"),
    ],
)
def test_the_console_is_the_serial_port_at_the_end_of_the_line(root, before, after):
    assert run(root, f"with_words '{before}'")[:2] == (0, after)


def sourced(path: Path, *names: str) -> list[str]:
    """Values that a file of assignments comes to."""
    words = "; ".join(f'printf "%s\\n" "${name}"' for name in names)
    return subprocess.run(
        ["sh", "-c", f'. "{path}"; {words}'], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_debian_and_ubuntu_have_a_folder_of_settings_and_the_last_one_counts(root):
    file(root, "etc/default/grub", 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="a=it\'s"\n')
    file(
        root, "etc/default/grub.d/50-cloudimg-settings.cfg", 'GRUB_CMDLINE_LINUX_DEFAULT="console=tty1 console=ttyS0"\n'
    )
    file(root, "usr/sbin/grub-mkconfig", "for x in ${sysconfdir}/default/grub.d/*.cfg ; do\n")
    file(root, "boot/grub/grub.cfg")
    program(root, "grub-mkconfig")
    assert run(root, "set_up_boot")[0] == 0
    written = root / "etc/default/grub.d/zz-kexec-harness.cfg"
    values = sourced(written, "GRUB_CMDLINE_LINUX_DEFAULT", "GRUB_CMDLINE_LINUX", "GRUB_TERMINAL")
    assert values == [f"console=tty1 {WORDS}", "a=it's", "serial console"]
    assert (root.parent / "called").read_text().endswith("grub-mkconfig -o /boot/grub/grub.cfg\n")


def test_without_such_a_folder_the_settings_go_to_the_end_of_the_file(root):
    settings = file(root, "etc/default/grub", 'GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX="rd.lvm quiet"\n')
    file(root, "boot/grub2/grub.cfg")
    program(root, "grub2-mkconfig")
    assert run(root, "set_up_boot")[0] == 0
    values = sourced(settings, "GRUB_TIMEOUT", "GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT")
    assert values == ["5", "rd.lvm", WORDS]
    assert (root.parent / "called").read_text().endswith("grub2-mkconfig -o /boot/grub2/grub.cfg\n")


def test_where_there_is_grubby_it_changes_the_entries(root):
    entry = file(root, "boot/loader/entries/1.conf", "title Fedora\noptions $kernelopts\n")
    program(root, "grubby")
    assert run(root, "set_up_boot")[0] == 0
    assert f"--update-kernel=ALL --remove-args=quiet rhgb splash --args={WORDS}" in (root.parent / "called").read_text()
    assert entry.read_text() == "title Fedora\noptions $kernelopts\n"


def test_entries_of_systemd_boot_are_changed_and_what_new_ones_are_made_from(root):
    entry = file(
        root,
        "efi/loader/entries/arch.conf",
        "title Arch\nlinux /vmlinuz-linux\noptions root=UUID=1 rw\noptions quiet console=tty0\ninitrd /initramfs.img\n",
    )
    cmdline = file(root, "etc/kernel/cmdline", "root=UUID=1 rw quiet\n")
    assert run(root, "set_up_boot")[0] == 0
    lines = entry.read_text().splitlines()
    assert lines == [
        "title Arch",
        "linux /vmlinuz-linux",
        "initrd /initramfs.img",
        f"options root=UUID=1 rw console=tty0 {WORDS}",
    ]
    assert cmdline.read_text() == f"root=UUID=1 rw {WORDS}\n"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("efi/EFI/Linux/arch.efi", "it boots a unified kernel image"),
        ("boot/extlinux.conf", "it has no configuration of a boot loader that is known here"),
    ],
)
def test_a_boot_loader_that_cannot_be_set_up_is_said(root, name, problem):
    file(root, name)
    status, _, messages = run(root, "set_up_boot")
    assert status == 1
    assert f'"problem":"{problem}' in messages
    assert '"type":"failed"' in messages


def test_what_a_program_said_goes_with_the_failure(root):
    file(root, "etc/default/grub")
    file(root, "boot/grub/grub.cfg")
    program(root, "grub-mkconfig", "echo cannot find a device >>$LOG; exit 1")
    status, _, messages = run(root, "export LOG; set_up_boot")
    assert status == 1
    assert '"problem":"this failed: grub-mkconfig -o /boot/grub/grub.cfg"' in messages
    assert "Y2Fubm90IGZpbmQgYSBkZXZpY2UK" in messages


# ---- all of it --------------------------------------------------------------------------------------------------


@pytest.fixture
def system(root):
    """A system like Debian's, whose programs note that they were called; with the archive of its guest's files."""
    for name in ("run/systemd/system/.", "usr/lib/systemd/system/systemd-networkd.service", "boot/grub/grub.cfg"):
        file(root, name.removesuffix("/.") + "/keep" if name.endswith("/.") else name)
    file(root, "etc/default/grub", 'GRUB_CMDLINE_LINUX_DEFAULT="quiet"\n')
    file(root, "etc/os-release", 'PRETTY_NAME="Some Linux 1"\n')
    file(root, "etc/netplan/50-cloud-init.yaml")
    kernel, initrd = file(root, "boot/vmlinuz-1", "kernel"), file(root, "boot/initrd-1", "initrd")
    for name in ("grub-mkconfig", "kexec", "stty", "sync"):
        program(root, name)
    program(root, "systemctl", 'echo "systemctl $*" >>"$CALLED"; [ "$1" != is-enabled ]')
    status = f"next reboot: kexec of {kernel} (why)\ninitrd: {initrd}\ncommand line: ro console=ttyS0,115200\n"
    seen = '{"kexec":true,"reason":"why","command_line":"ro console=ttyS0,115200"}'
    program(root, "kexec-load", f"[ $1 != status ] || printf '%s' '{status}'\n[ $1 != check ] || echo '{seen}'")
    for name in ("awk", "base64", "bash", "dd", "head", "sed", "tar", "cat", "grep", "cp", "mkdir", "rm", "tr", "tail"):
        (root.parent / "bin" / name).symlink_to(f"/usr/bin/{name}")
    for name in ("sh", "uname", "wc", "chmod"):
        (root.parent / "bin" / name).symlink_to(f"/usr/bin/{name}")
    files = (
        GuestFile("usr/lib/kexec-harness/init.sh", 0o644, b"# init\n"),
        GuestFile(f"{UNPACKED}/usr/sbin/kexec-load", 0o755, b"#!/bin/sh\n"),
    )
    write_tar(files, root.parent / "files.tar", 0)
    file(root.parent, "handover")
    return root


def prepare(root: Path) -> tuple[Prepared | None, str]:
    """What the messages come to, and which programs were called."""
    status, _, messages = run(
        root,
        f"KEXEC_HARNESS_PATH={root.parent}/bin KEXEC_HARNESS_HANDOVER={root.parent}/handover; export KEXEC_HARNESS_PATH"
        f" KEXEC_HARNESS_HANDOVER; sh {SCRIPT} {root.parent}/files.tar no",
    )
    events = [AgentMessage(1.0, body) for body in AgentDecoder().feed(messages.encode())]
    prepared = watch_preparation(ReplayMachine([*events, ProcessExit(2.0, 0)]), "x", lambda _: None)
    assert status == 0
    return prepared, (root.parent / "called").read_text()


def test_a_system_is_made_a_guest_and_hands_its_kernel_over(system):
    prepared, called = prepare(system)
    assert prepared == Prepared(
        system="Some Linux 1", kernel_bytes=6, initrd_bytes=8, cmdline="ro console=ttyS0,115200", stands_aside=None
    )
    assert (system.parent / "handover").read_bytes() == b"kernelinitrd\0\0"
    assert "systemctl enable kexec-harness-agent.service kexec-load.service\n" in called
    assert "systemctl enable systemd-networkd.service\n" in called
    assert called.endswith("systemctl --no-block poweroff\n")
    assert (system / "usr/sbin/kexec-load").is_file()
    assert (system / "etc/cloud/cloud-init.disabled").is_file()
    assert not (system / "etc/netplan/50-cloud-init.yaml").exists()
    assert "/usr/lib/kexec-harness/bin" in (system / "usr/lib/kexec-harness/init.sh").read_text()


def test_where_kexec_tools_are_missing_it_says_so_and_what_to_do(system):
    (system.parent / "bin/kexec").unlink()
    with pytest.raises(ImageError, match=r"kexec-tools is not installed, and there is no network .*\n.*virt-customize"):
        prepare(system)
    assert "poweroff" in (system.parent / "called").read_text()


@pytest.mark.parametrize(
    ("break_it", "problem"),
    [
        (lambda root: shutil.rmtree(root / "run"), "this system does not run systemd"),
        (lambda root: (root.parent / "bin/awk").unlink(), "this system has no program 'awk'"),
        (lambda root: (root.parent / "files.tar").write_bytes(b"x" * 600), r"this failed: tar .*: *(?s:.*)tar"),
        (lambda root: (root.parent / "handover").unlink(), "there is no disk .*handover to hand the kernel over on"),
        (lambda root: (root / "boot/vmlinuz-1").unlink(), "the kernel of the next boot cannot be found: next reboot"),
    ],
)
def test_what_is_missing_is_said(system, break_it, problem):
    break_it(system)
    with pytest.raises(ImageError, match=problem):
        prepare(system)


@pytest.mark.parametrize("sizes", [(8,), (5, 3), (4, 4, 1)])
def test_initrds_behind_one_another_begin_at_multiples_of_four(root, sizes):
    paths = [file(root, f"initrd{number}", str(number) * size) for number, size in enumerate(sizes)]
    listed = "\n".join(map(str, paths))
    _, joined, _ = run(root, f"initrds='{listed}'; join_initrds")
    padded = "".join((str(n) * size).ljust(-(-size // 4) * 4, "\0") for n, size in enumerate(sizes))
    assert joined == padded


def test_the_stand_in_for_busybox_talks_to_an_echo_service():
    """As the network checks use it: they end it once everything has come back."""
    content = bytes(range(256)) * 4096
    stand_in = PROJECT / "images/own-disk/guest/usr/lib/kexec-harness/bin/busybox"
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=echo_once, args=(server,), daemon=True).start()
        command = [stand_in, "nc", "127.0.0.1", str(server.getsockname()[1])]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            threading.Thread(target=client.stdin.write, args=(content,), daemon=True).start()
            assert client.stdout.read(len(content)) == content
            client.kill()


def echo_once(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)
