"""Small programs in GRUB's language, made by chance: to hold kexec-load's reading of them against GRUB's own."""

from __future__ import annotations

import random

from grub_emu import BOOTS

#: beside grub.cfg
FILES = {
    "b.cfg": "menuentry 'F' {\n linux /boot/vmlinuz-F root=/dev/vda2\n @boots@\n}\n",
    "sub/c.cfg": "menuentry 'G' {\n linux /boot/vmlinuz-G root=/dev/vda2\n @boots@\n}\n",
    "def.cfg": "set default=1\n",
    "false.cfg": "false\n",
    "flag": "1",
    "empty.cfg": "",
}
KERNELS = "ABCDEFGXY"
VALUES = (
    *("0", "1", "2", "4", "A", "B", "C", "idB", '"idS>idX"', '"S>Y"', "'S>1'", '"3>0"', '"S>zz"', "zz", '""'),
    *("$x", '"$x"', "${y}", '"${x}"', "$?", "a", '"a b"', "$x$y", "x$x"),
)
VARIABLES = ("default", "default", "x", "x", "y", "saved_entry")
PREFIXES = ("$prefix", "${config_directory}", "/boot/grub", "($root)/boot/grub")
PATHS = ("b.cfg", "sub/c.cfg", "def.cfg", "flag", "empty.cfg", "sub", "none.cfg", "false.cfg", "sub/none")
LEFT = ("$x", '"$x"', '"${y}"', "a", "1", '"$default"', "x$x", "$?", '"$none"', '""', "$y")
RIGHT = ("1", "a", "0", "B", "x", "x1", '""', "$x")
OPERATORS = ("=", "=", "==", "!=", "-eq", "-ge")
WORDS = ("", "$x", '"$y"', "'a b'", "a=$x$y", '${x}b "q $y"', "\\$x", "d=$1")
#: commands that only GRUB knows the outcome of, and some whose outcome is plain
CONDITIONS = (
    *("true", "false", "! true", "! false", "echo", "source /boot/grub/none.cfg", "source /boot/grub/def.cfg"),
    *("source /boot/grub/false.cfg", "search --file --set=q /nothere", "regexp ^x abc", "insmod nosuch", "loadfont x"),
)
QUIET = (
    "insmod x",
    "loadfont y",
    "terminal_output console",
    "false",
    "true",
    "save_env x",
    "search --file --set=q /no",
)


class Program:
    """One program; the same `seed` makes the same."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._functions: list[str] = []
        some = self._random.randint
        self.text = "".join(self._statement(0) for _ in range(some(1, 6)))
        self.text += self._entry() + self._entry()
        self.text += "".join(self._statement(0) for _ in range(some(0, 3))) + self._entry()

    def _one_of(self, *choices: str) -> str:
        return self._random.choice(choices)

    def _test(self, depth: int = 0) -> str:
        kind = self._random.randrange(9)
        if kind < 3 or depth > 2:
            return f"{self._one_of(*LEFT)} {self._one_of(*OPERATORS)} {self._one_of(*RIGHT)}"
        if kind == 3:
            return f"{self._one_of('-n', '-z')} {self._one_of(*LEFT)}"
        if kind == 4:
            return f"{self._one_of('-f', '-e', '-d', '-s')} {self._path()}"
        if kind == 5:
            return f"! {self._test(depth + 1)}"
        if kind == 6:
            return f"{self._test(depth + 1)} {self._one_of('-a', '-o')} {self._test(depth + 1)}"
        return self._one_of('"$x"', "a", '"$none"', "$x $y", "1", "$none")

    def _path(self) -> str:
        return f"{self._one_of(*PREFIXES)}/{self._one_of(*PATHS)}"

    def _condition(self) -> str:
        kind = self._random.randrange(9)
        if kind == 0:
            return self._one_of(*CONDITIONS)
        if kind == 1 and self._functions:
            return f"{self._one_of('', '! ')}{self._one_of(*self._functions)} {self._one_of('', '1', 'a b')}"
        if kind == 2:
            return f"true; test {self._test()}"
        return f"[ {self._test()} ]"

    def _statement(self, depth: int, *, in_function: bool = False) -> str:
        kind = self._random.randrange(13)
        if kind in (4, 5, 6) and depth < 3:
            return self._if(depth + 1, in_function=in_function)
        if kind == 7 and depth == 0 and not in_function:
            body = self._body(1, in_function=True)
            self._functions.append(f"f{len(self._functions)}")
            return f"function {self._functions[-1]} {{\n{body}}}\n"
        if kind == 8 and self._functions and not in_function:
            return f"{self._one_of(*self._functions)} {self._one_of('', '1', '0 2', 'a')}\n"
        if kind == 9 and not in_function:
            return self._entry()
        return self._command(kind, in_function=in_function)

    def _command(self, kind: int, *, in_function: bool) -> str:
        if kind == 10:
            return f"source {self._path()}\n" if self._random.random() < 0.6 else self._one_of(*QUIET) + "\n"
        if kind == 11:
            variable = self._one_of(*VARIABLES)
            return self._one_of(f"eval '{variable}=2'\n", f"unset {variable}\n", f"export {variable}\n", "export x y\n")
        if kind == 12 and in_function:
            return self._one_of("return 1\n", "return 0\n", "return\n", "set default=$1\n", "set x=$1\n", "y=$2\n")
        return f"{self._one_of('set ', '')}{self._one_of(*VARIABLES)}={self._one_of(*VALUES)}\n"

    def _if(self, depth: int, *, in_function: bool) -> str:
        text = f"if {self._condition()}; then\n{self._body(depth, in_function=in_function)}"
        if self._random.random() < 0.3:
            text += f"elif {self._condition()}; then\n{self._body(depth, in_function=in_function)}"
        if self._random.random() < 0.5:
            text += f"else\n{self._body(depth, in_function=in_function)}"
        return text + "fi\n"

    def _body(self, depth: int, *, in_function: bool) -> str:
        return "".join(self._statement(depth, in_function=in_function) for _ in range(self._random.randint(1, 3)))

    def _entry(self) -> str:
        name, words = self._one_of("A", "B", "C", "D", "E"), self._one_of(*WORDS)
        kind = self._random.randrange(6)
        if kind == 4:
            first = self._one_of("", "set x=sub\n", "set default=1\n", "set y=2\n")
            return f"submenu 'S' --id idS {{\n{first}{_entry('X', words)}{_entry('Y', words)}}}\n"
        if kind == 5:
            other = f"linux /boot/vmlinuz-A root=/dev/vda2 {words}"
            linux = f"linux /boot/vmlinuz-{name} root=/dev/vda2 {words}"
            return _entry(name, words, f"if {self._condition()}; then {linux}; else {other}; fi")
        return _entry(name, words)


def _entry(name: str, words: str, body: str = "") -> str:
    body = body or f"linux /boot/vmlinuz-{name} root=/dev/vda2 {words}"
    return f"menuentry '{name}' --id id{name} {{\n {body}\n {BOOTS}\n}}\n"
