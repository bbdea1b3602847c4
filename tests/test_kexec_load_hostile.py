"""Hostile names and contents below /boot: nothing is evaluated, time is bounded, and the reason is told."""

from __future__ import annotations

import os
import time

import pytest
from kexec_load_roots import SHELLS, SOON, Choice, Root

pytestmark = pytest.mark.parametrize("shell", SHELLS)

CONFIG = "boot/grub/grub.cfg"
ENTRY = "menuentry 'Debian' {\n linux /boot/vmlinuz root=/dev/vda2\n}\n"
MEGABYTE = 1 << 20
EVIL = (
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "' ; touch pwned '",
    '" ; touch pwned "',
    "a\ntouch pwned\n",
)


def choose(root: Root) -> Choice:
    """Chooses, and checks what must hold whatever the answer."""
    started = time.monotonic()
    choice = root.choose()
    # Twice the promise: these tests may share their processor.
    assert time.monotonic() - started < SOON * 2
    assert list(root.path.rglob("pwned")) == []
    assert choice.reason
    assert choice.reason.isprintable()
    assert len(choice.reason) <= 600
    if choice.verdict:
        assert choice.errors == ""
    return choice


def with_kernel(folder, shell) -> Root:
    root = Root(folder, shell)
    root.write("boot/vmlinuz", "kernel")
    return root


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("x" * (MEGABYTE + 1), "cannot be read as text of at most"),
        ("x" * (MEGABYTE - 1), "line 1: longer than 8192 characters"),
        ("set a='b\n" + ENTRY.replace("'", ""), "line 1: a quoted string without an end"),
        ("set a='\n" + "b\n" * 500_000, "line 1: a quoted string without an end"),
        ("set a='\n" + '"\n' * 4_000, "line 1: a quoted string without an end"),
        ('set a="' + "\\\n" * 4_000, "line 1: a quoted string without an end"),
        (ENTRY + "menuentry 'x' {\n", "line 4: a brace that is not closed"),
        ("}\n" + ENTRY, "line 1: a closing brace too many"),
        ("{\n" * 300 + "}\n" * 300 + ENTRY, "nested too deep"),
        ("function f { f; }\nf\n" + ENTRY, "nested too deep"),
        ("function f { g; g; }\nfunction g { h; h; }\nfunction h { f; }\nf\n" + ENTRY, "nested too deep"),
        ("set a=1\n" * 120_000 + ENTRY, "longer than a boot menu can be"),
        ("if true; then\n" + ENTRY, "line 1: 'if' without 'fi'"),
        ("fi\n" + ENTRY, "has no entries"),
        ("", "the menu has no entries"),
        ("\0" * 1000, "cannot be read as text"),
        ("set a=b | c\n" + ENTRY, "line 1: '|' is not understood"),
        ("menuentry 'x' {\n linux /boot/vmlinuz root=/dev/vda2 'a\nb'\n}\n", "control characters"),
        (
            "menuentry 'x' {\n linux /boot/vmlinuz root=/dev/vda2 " + "a " * 3000 + "\n}\n",
            "longer than any kernel takes",
        ),
        ("set a=x\n" + 'set a="$a$a"\n' * 40 + ENTRY, "a word longer than 32768 characters"),
        ("set a=x\n" + "set a=$a$a\n" * 40 + ENTRY, "a word longer than 32768 characters"),
        ("if insmod x; then true; fi\n" * 7 + ENTRY, "too much depends on what cannot be known here"),
        ("true\n" * 2000 + "if insmod x; then true; fi\n" * 6 + ENTRY, "takes too many steps"),
        ("source $prefix/grub.cfg\n" + ENTRY, "too many files read by one another"),
    ],
    ids=lambda value: value[:30].encode("unicode_escape").decode() if len(value) < 60 else f"{len(value)} characters",
)
def test_configuration_that_is_no_menu_is_refused_with_a_reason(config, reason, shell, tmp_path):
    root = with_kernel(tmp_path, shell)
    root.write(CONFIG, config)
    choice = choose(root)
    assert choice.verdict == 2
    assert reason in choice.reason


@pytest.mark.parametrize("evil", EVIL)
def test_titles_arguments_and_variables_are_only_text(evil, shell, tmp_path):
    root = with_kernel(tmp_path, shell)
    quoted = evil.replace("'", "")
    root.write(
        CONFIG, f"set default='{quoted}'\nmenuentry '{quoted}' {{\n linux /boot/vmlinuz root=/dev/vda2 '{quoted}'\n}}\n"
    )
    choice = choose(root)
    assert choice.verdict == (2 if "\n" in evil else 0)
    assert choice.verdict or "touch pwned" in choice.command_line
    root.write(CONFIG, f"set default={evil}\nset x={evil}\n{evil}\n{ENTRY}")
    choose(root)


@pytest.mark.parametrize("evil", EVIL)
def test_names_of_kernels_and_entries_are_only_text(evil, shell, tmp_path):
    root = Root(tmp_path, shell)
    root.write(f"boot/vmlinuz-9{evil}", "kernel")
    root.write("boot/vmlinuz-1", "kernel")
    assert choose(root).kernel == ("/boot/vmlinuz-1" if "\n" in evil else f"/boot/vmlinuz-9{evil}")
    root.write(f"boot/loader/entries/9{evil}.conf", f"title {evil}\nlinux /vmlinuz-1\noptions root=/dev/vda2 {evil}\n")
    root.write("boot/loader/loader.conf", f"default 9{evil}*\n")
    choose(root)


@pytest.mark.parametrize("evil", EVIL)
def test_running_command_line_root_and_links_are_only_text(evil, shell, tmp_path):
    root = Root(tmp_path, shell)
    root.write("boot/target", "kernel")
    (root.path / "vmlinuz").symlink_to(f"boot/{evil}")
    choose(root)
    (root.path / "vmlinuz").unlink()
    root.write("boot/vmlinuz-1", "kernel")
    root.write("proc/cmdline", f'root=LABEL={evil} {evil} x="{evil}\n')
    root.write("dev/disk/by-label/other", "")
    choose(root)


def test_submenus_may_be_nested_as_deep_as_anyone_would(shell, tmp_path):
    root = with_kernel(tmp_path, shell)
    root.write(CONFIG, "".join(f"submenu 's{depth}' {{\n" for depth in range(50)) + ENTRY + "}\n" * 50)
    assert choose(root).verdict == 0
    root.write(CONFIG, "set default='" + "0>" * 50 + "Debian'\n" + (root.path / CONFIG).read_text())
    assert choose(root).verdict == 0


@pytest.mark.parametrize("name", [CONFIG, "boot/loader/entries/x.conf", "boot/vmlinuz-1", "boot/grub/grubenv"])
def test_pipe_in_place_of_a_file_does_not_hold_the_reboot(name, shell, tmp_path):
    root = with_kernel(tmp_path, shell)
    path = root.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if "grubenv" in name:
        root.write(CONFIG, "load_env\n" + ENTRY)
    os.mkfifo(path)
    choose(root)


@pytest.mark.parametrize("default", ["[", "[z-a]", "\\", "*" * 200, "*a" * 100, "(", "+", "^$", "a|b", "[!"])
def test_pattern_in_loader_conf_is_no_regular_expression(default, shell, tmp_path):
    root = with_kernel(tmp_path, shell)
    root.write("boot/loader/entries/" + "a" * 200 + ".conf", "linux /vmlinuz\noptions root=/dev/vda2\n")
    root.write("boot/loader/loader.conf", f"default {default}\n")
    choose(root)


@pytest.mark.parametrize(
    "content",
    [
        "x" * (MEGABYTE - 1),
        "linux /vmlinuz\noptions " + "y " * 50_000,
        "\0\0",
        "options\n",
        "linux /../../../vmlinuz\n",
        "",
    ],
    ids=["one line", "long options", "NUL", "key alone", "upwards", "empty"],
)
def test_entry_of_nonsense_is_passed_over_or_refused(content, shell, tmp_path):
    root = with_kernel(tmp_path, shell)
    root.write("boot/loader/entries/bad.conf", content)
    assert choose(root).kernel in ("", "/boot/vmlinuz", "/boot/../../../vmlinuz")


def test_thousands_of_entries_are_no_boot_menu(shell, tmp_path):
    root = with_kernel(tmp_path, shell)
    for number in range(2000):
        root.write(f"boot/loader/entries/{number}.conf", "linux /vmlinuz\noptions root=/dev/vda2\n")
    assert "more than 100 entries" in choose(root).reason
