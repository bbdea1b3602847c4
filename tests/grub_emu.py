"""GRUB itself, as the program grub-emu: what it would boot by a grub.cfg. Not needed for the tests, only asked if there.

GRUB_EMU names the program where it is not in PATH; it may need LD_LIBRARY_PATH.
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
#: GRUB under Linux boots nothing: these say what would be loaded, and an entry ends where a boot would
COMMANDS = 'function linux { echo "LOADED=$@=END"; }\nfunction initrd { true; }\nfunction linux_boots { halt; }\n'


def in_emulator(text: str, folder: Path) -> str:
    """A grub.cfg with the folder in place of /boot/grub, and `halt` for what an entry does at its end."""
    return text.replace("/boot/grub/", f"{folder}/").replace("@boots@", "halt")


def booted(config: str, files: dict[str, str], folder: Path) -> str | None:
    """The last kernel and its words that the default entry loads; None if there is no such thing.

    `files` are beside grub.cfg. Raises pexpect.TIMEOUT if GRUB waits for somebody.
    """
    assert PROGRAM
    for name, text in {**files, "grub.cfg": f"{COMMANDS}set timeout=0\n{config}"}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(in_emulator(text, folder))
    emulator = pexpect.spawn(PROGRAM, ["-d", str(folder)], dimensions=(50, 200), timeout=PATIENCE, encoding="latin-1")
    try:
        emulator.expect(pexpect.EOF)
    finally:
        emulator.close(force=True)
    said = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]|[\r\n]", "", emulator.before or "")
    loaded = re.findall(r"LOADED=(.*?)=END", said)
    return loaded[-1] if loaded else None
