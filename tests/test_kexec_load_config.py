"""Settings are text: whatever a file holds, nothing of it is run, and what is not understood means a normal reboot."""

from __future__ import annotations

import time

import pytest
from kexec_load_machine import INITRD, KERNEL, SOURCE

LINE = f"KERNEL={KERNEL} INITRD={INITRD}\n"


def words_for_one_boot(machine) -> str:
    machine.load()
    return machine.calls[-1].split(" kexec_load.once ", 1)[1].removesuffix("|")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("APPEND_ONCE=quiet", "quiet"),
        ('APPEND_ONCE="root=LABEL=root ro"', "root=LABEL=root ro"),
        ("APPEND_ONCE='root=LABEL=root ro'", "root=LABEL=root ro"),
        ("  APPEND_ONCE=quiet  # a remark", "quiet"),
        ("APPEND_ONCE=quiet\r", "quiet"),
        ('APPEND_ONCE="say=\\"hello\\" back=\\\\ kept=\\n"', 'say="hello" back=\\ kept=\\n'),
        ("APPEND_ONCE='dollar=$HOME `id`'", "dollar=$HOME `id`"),
        ("APPEND_ONCE=one\\ word", "one word"),
        ("APPEND_ONCE=a'b c'\"d e\"f", "ab cd ef"),
        ("APPEND_ONCE=first\nAPPEND_ONCE=second", "second"),
        ("LOAD_TIMEOUT=9 APPEND_ONCE=quiet MAX_FAILURES=2", "quiet"),
        ("APPEND_ONCE=a=b=c", "a=b=c"),
    ],
)
def test_values_are_quoted_as_in_sh(any_machine, written, read):
    machine = any_machine
    machine.config(LINE + written + "\n")
    assert words_for_one_boot(machine) == read


def test_drop_ins_come_after_the_main_file_and_those_of_this_boot_last(machine):
    machine.config(LINE + "APPEND_ONCE=main\n")
    machine.write("/etc/default/kexec-load.d/50-b.conf", "APPEND_ONCE=second\n")
    machine.write("/etc/default/kexec-load.d/10-a.conf", "APPEND_ONCE=first\n")
    assert words_for_one_boot(machine) == "second"
    machine.write("/run/kexec-load/conf.d/a.conf", "APPEND_ONCE=now\n")
    assert words_for_one_boot(machine) == "now"


HOSTILE = {
    "command": "touch pwned",
    "substitution": 'APPEND="$(touch pwned)"',
    "backquotes": "APPEND=`touch pwned`",
    "second command": "APPEND=quiet; touch pwned",
    "background": "APPEND=quiet & touch pwned",
    "redirection": "APPEND=quiet >pwned",
    "words behind": "APPEND=quiet touch pwned",
    "open quote": 'APPEND="quiet',
    "variable": "KERNEL=$HOME/vmlinuz",
    "control character": "APPEND=\x1b[31mquiet",
    "bytes of zero": "APPEND=quiet\0touch pwned",
    "a line of 1 MB": "APPEND=" + "x" * 1_000_000,
    "binary": b"\x7fELF\0\1\2\3",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_not_understood_is_not_run_and_means_a_normal_reboot(any_machine, text):
    machine = any_machine
    content = text if isinstance(text, bytes) else text.encode()
    machine.config(b"# settings\n" + content + b"\n")
    said = machine.run("check").stdout
    assert "would stand aside: the settings are not understood: /etc/default/kexec-load line 2: " in said
    assert list(machine.folder.rglob("pwned")) == []
    assert len(said) < 2000


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("APEND", "unknown name APEND"), ("kernel", "unknown name kernel (names are in capitals: KERNEL)")],
)
def test_an_unknown_name_may_be_a_known_one_misspelt_so_the_reboot_is_a_normal_one(any_machine, name, complaint):
    machine = any_machine
    machine.config(f"{LINE}{name}=/boot/other\n")
    said = machine.load()
    assert f"standing aside: the settings are not understood: /etc/default/kexec-load line 2: {complaint}\n" in said
    assert not machine.loaded


@pytest.mark.parametrize("kernel", ["boot/vmlinuz", "~/vmlinuz", "./vmlinuz"])
def test_a_kernel_is_named_by_its_whole_path(machine, kernel):
    machine.config(f"KERNEL={kernel}\n")
    assert machine.load() == "standing aside: KERNEL= in the settings: file names must begin with /\n"


def test_a_number_with_zeros_in_front_is_not_octal(any_machine):
    machine = any_machine
    machine.config(f"{LINE}LOAD_TIMEOUT=08 MAX_FAILURES=009\n")
    machine.orders("kexec_file_load", "hang")
    started = time.monotonic()
    done = machine.run("load", timeout=60)
    assert done.stdout.endswith("load failed: not done after 8 seconds (LOAD_TIMEOUT)\n"), done.stdout
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("value", ["", "0", "-1", "ten", "76", "1e3", "99999999999999999999999"])
def test_a_timeout_out_of_range_is_replaced_and_said(machine, value):
    machine.config(f"{LINE}LOAD_TIMEOUT={value}\n")
    assert f"LOAD_TIMEOUT={value} is not a number from 1 to 75; taken as 30\n" in machine.load()


def test_a_settings_file_that_cannot_be_read_means_a_normal_reboot(machine):
    machine.path("/etc/default/kexec-load.d/a.conf").mkdir(parents=True)
    assert "the settings are not understood: /etc/default/kexec-load.d/a.conf cannot be read\n" in machine.load()


@pytest.mark.parametrize(
    "name", ["a b.conf", "$(touch pwned).conf", "'\"`touch pwned`.conf", "new\nline.conf", "-n.conf"]
)
def test_the_name_of_a_drop_in_is_only_a_name(machine, name):
    machine.write(f"/etc/default/kexec-load.d/{name}", "APPEND=quiet\nmess\n")
    said = machine.load()
    shown = name.replace("\n", " ")
    assert f"/etc/default/kexec-load.d/{shown} line 2: not of the form NAME=value\n" in said
    assert list(machine.folder.rglob("pwned")) == []


@pytest.mark.parametrize("name", ["a b", "$(touch pwned)", "'\"`touch pwned`", "-n", "*"])
def test_the_name_of_a_kernel_is_only_a_name(machine, name):
    machine.write(f"/boot/{name}", machine.path(KERNEL).read_bytes())
    quoted = name.replace("'", "'\\''")
    machine.config(f"KERNEL='/boot/{quoted}'\n")
    assert machine.load() == f"loaded /boot/{name} (KERNEL= in the settings)\n"
    assert machine.calls[0].split("|")[2] == f"{machine.root}/boot/{name}"
    assert list(machine.folder.rglob("pwned")) == []


def test_without_settings_there_is_nothing_to_complain_of(machine):
    machine.path("/etc/default/kexec-load").unlink()
    assert machine.load().startswith("loaded ")


def test_the_settings_file_that_is_shipped_says_nothing_of_its_own(machine):
    shipped = (SOURCE / "kexec-load.default").read_text("utf-8")
    machine.config(LINE + shipped)
    assert machine.load().startswith("loaded ")
    machine.config(LINE + shipped.replace("\n#KERNEL", "\nKERNEL").replace("\n#LOAD_TIMEOUT", "\nLOAD_TIMEOUT"))
    assert "/boot/vmlinuz" in machine.run("check").stdout
