"""The script that makes a disk of the user's own a guest: how it changes what boot loaders read, in made-up roots.

The layouts are those of the distributions' cloud images, as their documentation has them.
"""

from __future__ import annotations

import socket
import subprocess
import threading
from pathlib import Path

import pytest
from paths import PROJECT

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
