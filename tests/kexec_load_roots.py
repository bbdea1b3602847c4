"""Fake roots for kexec-load's choice of a kernel, and the shells and awks under which it is made."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

LIB = Path(__file__).resolve().parents[1] / "images/kexec-load/lib"
ROOTS = Path(__file__).parent / "testdata/roots"
LAYOUTS = sorted(path.name for path in ROOTS.iterdir() if path.is_dir())
#: what runs the scripts: the shell, the awk; "busybox" has all its programs from busybox
SHELLS = ("dash and mawk", "busybox")
LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
UUID = "6f0f5b9a-3f57-4b1c-9a55-0c1f6ce0a5d2"
#: seconds; what a shutdown would not notice
SOON = 2.0

CHOOSE = r"""
set -u
LIB=$KEXEC_LOAD_LIB
for part in common config choose; do . "$LIB/$part.sh"; done
read_config
verdict=0
choose || verdict=$?
[ "${CONSUME-no}" = no ] || consume_one_shot || verdict=9
printf '%s\0' "$verdict" "$CHOSEN_SOURCE" "$CHOSEN_REASON" "$CHOSEN_KERNEL" "$CHOSEN_INITRDS" "$CHOSEN_COMMAND_LINE" \
    "$CHOSEN_ONE_SHOT"
"""


@dataclass(frozen=True)
class Choice:
    """What `choose` returned and set; paths without the prefix of the fake root."""

    verdict: int
    source: str
    reason: str
    kernel: str
    initrds: list[str]
    command_line: str
    one_shot: str
    errors: str


@functools.cache
def programs(shell: str) -> Path:
    """A folder for PATH that has what a guest of that kind has."""
    path = Path(tempfile.mkdtemp(prefix="kexec-load-programs-"))
    atexit.register(shutil.rmtree, path)
    package = "busybox" if shell == "busybox" else "mawk"
    found = shutil.which(package)
    assert found, f"the tests of kexec-load need {package}: apt-get install {package}"
    if shell == "busybox":
        subprocess.run([found, "--install", "-s", path], check=True)
    (path / package).symlink_to(found)
    if shell != "busybox":
        (path / "awk").symlink_to(found)
    return path


class Root:
    """A fake root that may be changed."""

    def __init__(self, folder: Path, shell: str, layout: str | None = None) -> None:
        """A copy of `layout` below `folder`; None: nothing but an empty /boot and a command line."""
        self.path, self.shell = folder / "root", shell
        self._bin = programs(shell)
        if layout:
            shutil.copytree(ROOTS / layout, self.path, symlinks=True)
        else:
            self.write("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/vda2 ro quiet\n")
            self.write("dev/vda2", "")
            (self.path / "boot").mkdir()

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.path / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def grubenv(self, **variables: str) -> Path:
        lines = "".join(f"{name}={value}\n" for name, value in variables.items())
        return self.write("boot/grub/grubenv", f"# GRUB Environment Block\n{lines}".ljust(1024, "#"))

    def efi_variable(self, name: str, value: str) -> Path:
        content = b"\x06\0\0\0" + f"{value}\0".encode("utf-16-le")
        return self.write(f"sys/firmware/efi/efivars/{name}-{LOADER}", content)

    def choose(self, *, consume: bool = False) -> Choice:
        """Raises subprocess.TimeoutExpired if the choice takes longer than a shutdown may wait."""
        busybox = self.shell == "busybox"
        command = [str(self._bin / "busybox"), "sh"] if busybox else ["dash"]
        done = subprocess.run(
            [*command, "-c", CHOOSE],
            env={
                "PATH": str(self._bin) if busybox else f"{self._bin}:{os.environ['PATH']}",
                "KEXEC_LOAD_LIB": str(LIB),
                "KEXEC_LOAD_ROOT": str(self.path),
                "CONSUME": "yes" if consume else "no",
            },
            cwd=self.path,
            capture_output=True,
            timeout=SOON * 5,
            check=False,
        )
        fields = done.stdout.replace(os.fsencode(self.path), b"").decode(errors="replace").split("\0")
        errors = done.stderr.decode(errors="replace")
        assert len(fields) == 8, errors
        verdict, source, reason, kernel, initrds, command_line, one_shot, _ = fields
        return Choice(int(verdict), source, reason, kernel, initrds.splitlines(), command_line, one_shot, errors)
