"""GRUB itself, as the program grub-emu: what it would boot by a grub.cfg. Asked if it is there, needed for nothing.

GRUB_EMU names the program where it is not in PATH.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pexpect

PROGRAM = os.environ.get("GRUB_EMU") or shutil.which("grub-emu")
#: seconds; it is done in a tenth of one
PATIENCE = 30
#: Under Linux GRUB loads no kernel: it only says which, and with `halt` at its end an entry has been booted.
PREAMBLE = 'function linux { echo "LOADED=$@=END"; }\nset timeout=0\n'
#: stands in a grub.cfg where an entry boots what it has loaded
BOOTS = "@boots@"


def booted(config: str, files: dict[str, str], folder: Path) -> str | None:
    """The kernel that the default entry loads, and its words; None if it loads none.

    `files` are beside grub.cfg, which may speak of itself as in /boot/grub. Raises pexpect.TIMEOUT if GRUB waits for
    somebody.
    """
    assert PROGRAM
    for name, text in {**files, "grub.cfg": PREAMBLE + config}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("/boot/grub/", f"{folder}/").replace(BOOTS, "halt"))
    emulator = pexpect.spawn(PROGRAM, ["-d", str(folder)], dimensions=(50, 200), timeout=PATIENCE, encoding="latin-1")
    try:
        emulator.expect(pexpect.EOF)
    finally:
        emulator.close(force=True)
    said = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]|[\r\n]", "", emulator.before or "")
    loaded = re.findall(r"LOADED=(.*?)=END", said)
    return loaded[-1] if loaded else None
