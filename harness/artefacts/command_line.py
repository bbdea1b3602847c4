"""QEMU's command line: as it ran, and as a script that runs the machine by hand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from harness.artefacts.case import Case
from harness.artefacts.disk import NAME as DISK
from harness.devices.base import DISK_MIB
from harness.host.helpers import Helper
from harness.model import Firmware, Option
from harness.qemu.argv import ECHO, MachineSpec, build, no_commas, to_text

NAME, SUMMARY = "qemu.sh", "the machine by hand: its console on this terminal, its monitor behind Ctrl-A c"
AS_RUN, AS_RUN_SUMMARY = "argv.txt", "QEMU's command line as it ran"

#: channel of the harness -> what takes its place when nobody listens
CHANNELS = {
    "qmp": "socket,id=qmp,path=$dir/qmp.sock,server=on,wait=off",
    "console": "stdio,id=console,mux=on,signal=off",
    "agent": "null,id=agent",
    "firmware": "file,id=firmware,path=$dir/firmware.log",
}


def take(case: Case) -> list[str]:
    """Write qemu.sh. Raises NotTaken for a recording."""
    spec = case.inside().spec
    options = list(by_hand(build(spec), spec.folder))
    image = str(case.rerun.disk) if case.rerun is not None else ""
    (case.folder / NAME).write_text(script(str(case.inside().qemu), options, image, spec), "utf-8")
    return []


def take_as_run(case: Case) -> list[str]:
    """Write argv.txt. Raises NotTaken for a recording."""
    inside = case.inside()
    (case.folder / AS_RUN).write_text(f"{inside.qemu}\n{to_text(build(inside.spec))}", "utf-8")
    return []


def by_hand(options: list[Option], folder: Path) -> Iterator[Option]:
    """The options with the harness's channels replaced, starting at once, with files in `$dir`."""
    for option, value in options:
        if option == "-S":
            continue
        found = re.match("(?:socket|pipe),id=([^,]+)", value)
        channel = found[1] if found else ""
        if option == "-chardev" and channel in CHANNELS:
            yield option, CHANNELS[channel]
        elif option == "-chardev" and channel.startswith(ECHO):
            yield option, f"null,id={channel}"
        else:
            yield option, value.replace(no_commas(str(folder)), "$dir")
    yield "-mon", "chardev=console,mode=readline"


def script(qemu: str, options: list[Option], image: str, spec: MachineSpec) -> str:
    """The shell script: an overlay on the failed disk if it was kept, else on the image, then QEMU."""
    words = [f"{option} {_quoted(value)}" if value else option for option, value in options]
    lent = "".join(f'truncate -s {DISK_MIB}M "$dir/{name}"\n' for name in spec.disks)
    lent += "".join(f'mkdir "$dir/{name}"\n' for name in spec.folders)
    lent += "".join(_helper(helper, spec.folder) for helper in spec.helpers)
    variables = ""
    if spec.ovmf_vars is not None:
        keys = ".ms" if spec.cell.firmware is Firmware.OVMF_SECBOOT else ""
        variables = (
            "# OVMF starts with the variables of a new machine.\n"
            f'cp "${{OVMF_VARS:-/usr/share/OVMF/OVMF_VARS_4M{keys}.fd}}" "$dir/{spec.ovmf_vars.name}"\n'
        )
    command = " \\\n    ".join([shlex.quote(qemu), *words])
    return f"""#!/bin/sh
# {SUMMARY}.
# Its disk is the one that was kept ({DISK}), else an untouched image; neither is written to.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
base=$here/{DISK} format=qcow2
[ -e "$base" ] || {{ base={shlex.quote(image)} format={"qcow2" if image.endswith(".qcow2") else "raw"}; }}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
qemu-img create -q -f qcow2 -b "$base" -F "$format" "$dir/root.qcow2"
{lent}{variables}{command}
"""


def _helper(helper: Helper, folder: Path) -> str:
    """The lines that start a program beside QEMU, and wait until it listens."""
    words = [_quoted(word.replace(str(folder), "$dir")) for word in (helper.program, *helper.arguments)]
    socket = _quoted(str(helper.socket).replace(str(folder), "$dir"))
    return f"{' '.join(words)} &\nuntil [ -S {socket} ]; do sleep 0.1; done\n"


def _quoted(value: str) -> str:
    """A word for the shell, in which only `$dir` is a variable."""
    parts = re.split(r"(\$dir)\b", value)
    return "".join(f'"{part}"' if part == "$dir" else shlex.quote(part) for part in parts if part)
