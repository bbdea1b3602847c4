"""The files an image gets besides its packages: images/guest, and what images/kexec-load installs."""

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


class GuestFile(Struct, frozen=True):
    """One file of the guest; `path` is relative to its root."""

    path: str
    mode: int
    content: bytes
    #: where a symbolic link points; None for a regular file
    link: str | None = None


def collect(images_dir: Path, recipe: Recipe) -> tuple[GuestFile, ...]:
    """Every file that an image of `recipe` gets, sorted by path.

    Raises ImageError if kexec-load cannot be installed into the tree, or two sources bring the same file.
    """
    files = {file.path: _filled(file, recipe) for file in _tree(images_dir / "guest", exact_modes=False)}
    for file in _installed(images_dir / "kexec-load"):
        if file.path in files:
            raise ImageError(f"both {images_dir}/guest and {images_dir}/kexec-load bring /{file.path}")
        files[file.path] = file
    return tuple(files[path] for path in sorted(files))


def _filled(file: GuestFile, recipe: Recipe) -> GuestFile:
    """The boot loader's configuration gets the recipe's command line."""
    if file.path != GRUB_CONFIG:
        return file
    content = file.content.replace(COMMAND_LINE_MARK, recipe.command_line.encode())
    return GuestFile(file.path, file.mode, content)


def _tree(folder: Path, *, exact_modes: bool) -> list[GuestFile]:
    """The files below `folder`.

    Of a file in a checkout only the executable bit counts: the rest is the umask of whoever cloned it.
    """
    files = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            files.append(GuestFile(name, 0o777, b"", str(path.readlink())))
        elif path.is_file():
            mode = stat.S_IMODE(path.stat().st_mode)
            if not exact_modes:
                mode = 0o755 if mode & stat.S_IXUSR else 0o644
            files.append(GuestFile(name, mode, path.read_bytes()))
    return files


def _installed(source: Path) -> list[GuestFile]:
    """What `make install` of kexec-load puts into a guest: the service is tested as it is packaged."""
    with tempfile.TemporaryDirectory(prefix="kexec-load-") as destination:
        command = [str(find_tool("make")), "--silent", "-C", str(source), "install", f"DESTDIR={destination}"]
        # Variables of an outer make must not reach this one.
        env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, errors="replace", timeout=MAKE_TIMEOUT_S, check=False
        )
        if done.returncode:
            raise ImageError(f"make -C {source} install failed:\n{done.stderr.strip()[-2000:]}")
        return _tree(Path(destination), exact_modes=True)


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
