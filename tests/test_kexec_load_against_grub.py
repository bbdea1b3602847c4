"""kexec-load starts what GRUB would, or stands aside: a table of menus, and GRUB's own word where grub-emu is there.

`apt-get install grub-emu`; or GRUB_EMU=... names it. GRUB_PROGRAMS=n: so many programs made by chance.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import grub_emu
import pytest
from grub_programs import FILES, KERNELS, Program
from kexec_load_roots import SHELLS, Root

MOUNTS = "22 1 254:2 / / rw,relatime shared:1 - ext4 /dev/vda2 rw\n"
needs_grub = pytest.mark.skipif(not grub_emu.PROGRAM, reason="grub-emu is not installed (apt-get install grub-emu)")


def entry(name: str) -> str:
    return f"menuentry '{name}' {{\n linux /boot/vmlinuz-{name} root=/dev/vda2\n {grub_emu.BOOTS}\n}}\n"


A, B, C = entry("A"), entry("B"), entry("C")
AB = A + B


def then_b(condition: str) -> str:
    return f"if {condition}; then set default=1; fi\n{AB}"


class Menu(NamedTuple):
    """`grub` is what grub-emu 2.06 boots; `aside`: kexec-load does not say so, but stands aside."""

    config: str
    grub: str
    aside: bool = False


MENUS = {
    # other files
    "first entry in a file": Menu(f"source /boot/grub/b.cfg\n{A}", "F"),
    "first entry in a file on $root": Menu(f"source ($root)/boot/grub/b.cfg\n{A}", "F"),
    "first entry in a file further down": Menu(f"source $prefix/sub/c.cfg\n{A}", "G"),
    "entries of a file are counted": Menu(f"set default=1\nsource /boot/grub/b.cfg\n{A}{C}", "A"),
    "a file sets the default": Menu(f"source /boot/grub/def.cfg\n{AB}", "B"),
    "a file that is not there": Menu(f"source /boot/grub/none.cfg\nset default=1\n{AB}", "B"),
    "source succeeds whatever it finds": Menu(then_b("source /boot/grub/none.cfg"), "B"),
    "config_directory is gone in entries": Menu(
        "menuentry A {\nif [ -e ${config_directory}/flag ]; then linux /boot/vmlinuz-B root=/dev/vda2\n"
        "else linux /boot/vmlinuz-A root=/dev/vda2; fi\n@boots@\n}\n",
        "A",
        aside=True,
    ),
    # tests of files
    "-f of a whole path": Menu(f"if [ -f /boot/grub/b.cfg ]; then default=0; else default=1; fi\n{AB}", "A"),
    "-f on $root": Menu(f"if [ -f ($root)/boot/grub/flag ]; then default=0; else default=1; fi\n{AB}", "A"),
    "-f of what is not there": Menu(then_b("[ -f /boot/grub/FLAG ]"), "A"),
    "-s of an empty file": Menu(then_b("[ -s $prefix/empty.cfg ]"), "A"),
    "-d of a folder": Menu(then_b("[ -d $prefix/sub ]"), "B"),
    "-e of a folder": Menu(then_b("[ -e $prefix/sub ]"), "B"),
    "-f of a folder": Menu(then_b("[ -f $prefix/sub ]"), "A"),
    "a path on another disk": Menu(then_b("[ -f (hd7,gpt9)/flag ]"), "A", aside=True),
    "a path that is not plain": Menu(then_b("[ -f /boot/grub//flag ]"), "B", aside=True),
    # what only GRUB knows
    "search fails": Menu(then_b("search --file --set=x /nothere"), "A", aside=True),
    "status of search": Menu(f"search --file --set=x /nothere\n{then_b('[ $? = 0 ]')}", "A", aside=True),
    "regexp": Menu(then_b("regexp '^x' abc"), "A", aside=True),
    "cmp": Menu(then_b("cmp /boot/grub/flag /boot/grub/b.cfg"), "B", aside=True),
    "cryptomount": Menu(then_b("cryptomount -u abc"), "A", aside=True),
    "insmod": Menu(then_b("insmod nosuchmodule"), "B", aside=True),
    "a variable that GRUB sets": Menu(then_b('[ -n "$cmdpath" ]'), "B", aside=True),
    "a variable from a disk": Menu("probe --set=x --fs-uuid $root\n" + then_b('[ -z "$x" ]'), "B", aside=True),
    "an unknown command": Menu(f"nosuchcommand\n{AB}", "A", aside=True),
    "an unknown command as condition": Menu(then_b("nosuchcommand"), "B", aside=True),
    "what it cannot change goes on": Menu(f"if loadfont x; then set gfxmode=auto; insmod gfxterm; fi\n{AB}", "A"),
    "an entry behind the chosen one": Menu(f"set default=1\n{AB}if keystatus --shift; then\n{C}fi\n", "B"),
    "an entry before the chosen one": Menu(f"set default=1\nif insmod nosuch; then\n{C}fi\n{AB}", "A", aside=True),
    "an entry before one that is named": Menu(f"set default=B\nif insmod nosuch; then\n{C}fi\n{AB}", "B"),
    "decided later": Menu(f"if insmod nosuch; then default=0; fi\nset default=1\n{AB}", "B"),
    "in the chosen entry": Menu(
        "menuentry A {\nif insmod nosuch; then linux /boot/vmlinuz-B root=/dev/vda2\n"
        "else linux /boot/vmlinuz-A root=/dev/vda2; fi\n@boots@\n}\n",
        "B",
        aside=True,
    ),
    # functions, eval, status
    "return 1": Menu(f"function bad {{ return 1; }}\n{then_b('bad')}", "A"),
    "return as a number": Menu(f"function three {{ return 3; }}\nthree\nset default=$?\n{AB}{C}{entry('D')}", "D"),
    "return in an if": Menu(f"function f {{ if true; then return; fi; set default=0; }}\nset default=1\nf\n{AB}", "B"),
    "a function fails by its last command": Menu(f"function f {{ true; false; }}\n{then_b('f')}", "A"),
    "an if that does nothing succeeds": Menu(f"function f {{ if false; then true; fi; }}\n{then_b('f')}", "B"),
    "and so says the status": Menu(f"if false; then true; fi\n{then_b('[ $? = 0 ]')}", "B"),
    "-o as an operand": Menu(then_b("[ 1 -o = a ]"), "A"),
    "eval": Menu(f"eval 'set default=1'\n{AB}", "B"),
    "setparams": Menu(f"function f {{ setparams 1; set default=$1; }}\nf 0\n{AB}", "B", aside=True),
    "no expression is true": Menu(then_b("[ $none ]"), "B"),
    "words beside one another": Menu(then_b("[ $none = x ]"), "B"),
    "no number": Menu(then_b("[ a -eq b -o 1 ]"), "B", aside=True),
    # the default
    "octal": Menu(f"set default=010\n{C * 8}{AB}", "A", aside=True),
    "hexadecimal": Menu(f"set default=0x1\n{AB}", "B", aside=True),
    "a blank before the number": Menu(f"set default=' 1'\n{AB}", "B", aside=True),
    "a sign is no number": Menu(f"set default='+1'\n{AB}", "A"),
    "default in the submenu": Menu(f"set default='1>0'\n{A}submenu S {{\nset default=1\n{B}{C}}}\n", "C"),
    "a submenu does not see it": Menu(
        f"x=1\ndefault='1>0'\n{A}submenu S {{\nif [ -n \"$x\" ]; then set default=1; fi\n{B}{C}}}\n", "B"
    ),
    "a submenu sees what is exported": Menu(
        f"x=1\nexport x\ndefault='1>0'\n{A}submenu S {{\nif [ -n \"$x\" ]; then set default=1; fi\n{B}{C}}}\n", "C"
    ),
    # errors that GRUB passes over with all that is around them
    "a block without a command": Menu(f"if true; then set default=1; else\nfi\n{AB}", "A", aside=True),
    "a function in a block": Menu(f"if true; then function f {{ true; }}; set default=1; fi\n{AB}", "A", aside=True),
    "two semicolons": Menu(f"set x=1;;set default=1\n{AB}", "A", aside=True),
    "braces alone": Menu(f"{{ set default=1; }}\n{AB}", "A", aside=True),
    "an unset variable is no default": Menu(f'set default="$none"\n{AB}', "A"),
}
#: what grub-emu has no answer for: it loads nothing, and has only one disk
ASIDE = {
    "boots outside of entries": f"linux /boot/vmlinuz-B root=/dev/vda2\nboot\n{A}",
    "another menu": f"{A}configfile $prefix/b.cfg\n",
    "ends outside of entries": f"exit\n{A}",
    "fails at its end": "menuentry A {\n linux /boot/vmlinuz-A root=/dev/vda2\n false\n}\n",
    "another disk": "menuentry A {\n set root=hd1,gpt2\n linux /boot/vmlinuz-A root=/dev/vda2\n}\n",
    "another disk by its name": "menuentry A {\n linux (hd1,gpt2)/boot/vmlinuz-A root=/dev/vda2\n}\n",
    "whatever disk has a file": "search --file --set=root /boot/vmlinuz-A\n" + A,
    "words that only GRUB knows": "menuentry A {\n linux /boot/vmlinuz-A root=/dev/vda2 mac=$net_default_mac\n}\n",
    "memory taken away": "badram 0x1,0x2\n" + A,
    "tables put in": "menuentry A {\n acpi /x.aml\n linux /boot/vmlinuz-A root=/dev/vda2\n}\n",
}


def root_with(folder: Path, shell: str, config: str) -> Root:
    root = Root(folder, shell)
    root.write("proc/self/mountinfo", MOUNTS)
    for kernel in KERNELS:
        root.write(f"boot/vmlinuz-{kernel}", "kernel")
    for name, text in {**FILES, "grub.cfg": config}.items():
        root.write(f"boot/grub/{name}", text.replace(grub_emu.BOOTS, ""))
    return root


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("menu", MENUS.values(), ids=MENUS)
def test_the_kernel_is_the_one_that_grub_boots_or_none(menu, shell, tmp_path):
    choice = root_with(tmp_path, shell, menu.config).choose()
    assert choice.errors == ""
    assert (choice.verdict, choice.source) == (2 if menu.aside else 0, "grub"), choice.reason
    assert choice.kernel == ("" if menu.aside else f"/boot/vmlinuz-{menu.grub}")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("config", ASIDE.values(), ids=ASIDE)
def test_a_menu_that_does_more_than_load_linux_from_here_is_left_to_grub(config, shell, tmp_path):
    choice = root_with(tmp_path, shell, config.replace(grub_emu.BOOTS, "")).choose()
    assert (choice.verdict, choice.source) == (2, "grub"), choice


@needs_grub
@pytest.mark.parametrize("menu", MENUS.values(), ids=MENUS)
def test_grub_itself_boots_what_the_table_says(menu, tmp_path):
    assert grub_emu.booted(menu.config, FILES, tmp_path) == f"/boot/vmlinuz-{menu.grub} root=/dev/vda2"


@needs_grub
@pytest.mark.parametrize("seed", range(int(os.environ.get("GRUB_PROGRAMS", "20"))))
def test_programs_made_by_chance_come_to_the_same_in_grub(seed, tmp_path):
    program = Program(seed).text
    choice = root_with(tmp_path, SHELLS[seed % 2], program).choose()
    assert choice.errors == ""
    if choice.verdict == 0:
        said = grub_emu.booted(program, FILES, tmp_path / "grub")
        assert said, program
        # Quotes are added to what GRUB passes to Linux, not to what it echoes.
        assert f"{choice.kernel} {choice.command_line}".replace('"', "").split() == said.split(), program
