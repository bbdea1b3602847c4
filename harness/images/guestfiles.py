"""The files an image gets besides its distribution's packages.

images/guest for all, images/init/NAME by the init system, and for systemd the package of images/kexec-load.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import subprocess
import tarfile
import tempfile
from pathlib import Path

from msgspec import Struct

from harness.errors import ImageError
from harness.host.tools import find_tool
from harness.images.recipe import Recipe

GRUB_CONFIG = "boot/grub/grub.cfg"
COMMAND_LINE_MARK = b"@CMDLINE@"
MAKE_TIMEOUT_S = 60
#: where a guest has the package of kexec-load, to install it again after a purge
PACKAGE = "usr/lib/kexec-harness/kexec-load.deb"


class GuestFile(Struct, frozen=True):
    """One file of the guest; `path` is relative to its root."""

    path: str
    mode: int
    content: bytes
    #: where a symbolic link points; None for a regular file
    link: str | None = None


def collect(images_dir: Path, recipe: Recipe) -> tuple[GuestFile, ...]:
    """Every file that an image of `recipe` gets, sorted by path; kexec-load as the package that is shipped.

    Raises ImageError if the package cannot be built, or two sources bring the same file.
    """
    sources = {images_dir / folder: _tree(images_dir / folder) for folder in ("guest", f"init/{recipe.init}")}
    if recipe.init == "systemd":
        sources[images_dir / "kexec-load"] = [GuestFile(PACKAGE, 0o644, _package(images_dir / "kexec-load"))]
    brought_by: dict[str, Path] = {}
    files: dict[str, GuestFile] = {}
    for source, found in sources.items():
        for file in found:
            if file.path in files:
                raise ImageError(f"both {brought_by[file.path]} and {source} bring /{file.path}")
            files[file.path], brought_by[file.path] = _filled(file, recipe), source
    return tuple(files[path] for path in sorted(files))


def _filled(file: GuestFile, recipe: Recipe) -> GuestFile:
    """The boot loader's configuration gets the recipe's command line."""
    if file.path != GRUB_CONFIG:
        return file
    content = file.content.replace(COMMAND_LINE_MARK, recipe.command_line.encode())
    return GuestFile(file.path, file.mode, content)


def _tree(folder: Path) -> list[GuestFile]:
    """The files below `folder`, a part of a checkout.

    Of the mode only the executable bit counts: the rest is the umask of whoever cloned it.
    """
    files = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            files.append(GuestFile(name, 0o777, b"", str(path.readlink())))
        elif path.is_file():
            files.append(GuestFile(name, 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644, path.read_bytes()))
    return files


def _package(source: Path) -> bytes:
    """The Debian package of kexec-load; the same files always give the same bytes."""
    with tempfile.TemporaryDirectory(prefix="kexec-load-") as folder:
        command = [str(find_tool("make")), "--silent", "-C", str(source), "deb", f"BUILD={folder}"]
        # Variables of an outer make must not reach this one.
        env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, errors="replace", timeout=MAKE_TIMEOUT_S, check=False
        )
        if done.returncode:
            raise ImageError(f"make -C {source} deb failed:\n{done.stderr.strip()[-2000:]}")
        [package] = Path(folder).glob("*.deb")
        return package.read_bytes()


def digest(files: tuple[GuestFile, ...]) -> str:
    """Hash over paths, modes and contents (SHA-256, hex)."""
    hasher = hashlib.sha256()
    for file in files:
        body = b"-> " + file.link.encode() if file.link is not None else file.content
        hasher.update(f"{file.path}\0{file.mode:o}\0{len(body)}\0".encode())
        hasher.update(body)
    return hasher.hexdigest()


def write_tar(files: tuple[GuestFile, ...], path: Path, mtime: int) -> None:
    """Write the files as a tar, owned by root, last modified at `mtime` (seconds since 1970).

    Folders are left out: in the guest some of them are links (/lib), which an entry would replace.
    """
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            entry = tarfile.TarInfo(f"./{file.path}")
            entry.mode, entry.mtime = file.mode, mtime
            if file.link is not None:
                entry.type, entry.linkname = tarfile.SYMTYPE, file.link
            entry.size = len(file.content)
            tar.addfile(entry, io.BytesIO(file.content))
