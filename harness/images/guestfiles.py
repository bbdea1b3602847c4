"""The files an image gets besides its distribution's packages.

images/guest for all, images/init/NAME by the init system, and for systemd the package of images/kexec-load, in place of
which others have images/init/without-systemd. A disk of the user's own gets images/own-disk and no file that only an
image made here has.
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
COMMAND_LINE_MARK, CLASS_MARK, TITLE_MARK = b"@CMDLINE@", b"@CLASS@", b"@TITLE@"
#: what GRUB's menu calls a distribution
TITLES = {"debian": "Debian GNU/Linux", "alpine": "Alpine Linux"}
MAKE_TIMEOUT_S = 60
#: where a guest has the package of kexec-load, to install it again after a purge
PACKAGE = "usr/lib/kexec-harness/kexec-load.deb"
#: and, on a disk of the user's own, kexec-load's files for where there are no Debian packages
UNPACKED = "usr/lib/kexec-harness/kexec-load"
#: what every guest has of images/guest, whoever made it
OF_EVERY_GUEST = "usr/lib/kexec-harness/"


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
    folders = ["guest", f"init/{recipe.init}", *(["init/without-systemd"] if recipe.init != "systemd" else [])]
    sources = {images_dir / folder: _tree(images_dir / folder) for folder in folders}
    if recipe.init == "systemd":
        sources[images_dir / "kexec-load"] = [GuestFile(PACKAGE, 0o644, _package(images_dir / "kexec-load"))]
    if recipe.services:
        sources[images_dir / f"{recipe.name}.toml"] = [_switch(service) for service in recipe.services]
    return tuple(_filled(file, recipe) for file in _merged(sources))


def collect_for_disk(images_dir: Path) -> tuple[GuestFile, ...]:
    """Every file that a disk of the user's own gets, sorted by path. Raises ImageError as `collect`."""
    kexec_load = images_dir / "kexec-load"
    return _merged(
        {
            images_dir / "guest": [f for f in _tree(images_dir / "guest") if f.path.startswith(OF_EVERY_GUEST)],
            images_dir / "init/systemd": _tree(images_dir / "init/systemd"),
            images_dir / "own-disk": _tree(images_dir / "own-disk" / "guest"),
            kexec_load: [GuestFile(PACKAGE, 0o644, _package(kexec_load)), *_installed(kexec_load)],
        }
    )


def _merged(sources: dict[Path, list[GuestFile]]) -> tuple[GuestFile, ...]:
    brought_by: dict[str, Path] = {}
    files: dict[str, GuestFile] = {}
    for source, found in sources.items():
        for file in found:
            if file.path in files:
                raise ImageError(f"both {brought_by[file.path]} and {source} bring /{file.path}")
            files[file.path], brought_by[file.path] = file, source
    return tuple(files[path] for path in sorted(files))


def _switch(service: str) -> GuestFile:
    """The link by which OpenRC starts a service (RUNLEVEL/NAME)."""
    return GuestFile(f"etc/runlevels/{service}", 0o777, b"", f"/etc/init.d/{service.partition('/')[2]}")


def _filled(file: GuestFile, recipe: Recipe) -> GuestFile:
    """The boot loader's configuration gets the recipe's command line, and what it calls the distribution."""
    if file.path != GRUB_CONFIG:
        return file
    marks = {
        COMMAND_LINE_MARK: recipe.command_line,
        CLASS_MARK: recipe.distro,
        TITLE_MARK: TITLES[recipe.distro],
    }
    content = file.content
    for mark, text in marks.items():
        content = content.replace(mark, text.encode())
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
        _make(source, "deb", f"BUILD={folder}")
        [package] = Path(folder).glob("*.deb")
        return package.read_bytes()


def _installed(source: Path) -> list[GuestFile]:
    """What `make install` of kexec-load gives, below `UNPACKED`."""
    with tempfile.TemporaryDirectory(prefix="kexec-load-") as folder:
        _make(source, "install", f"DESTDIR={folder}")
        return [GuestFile(f"{UNPACKED}/{f.path}", f.mode, f.content, f.link) for f in _tree(Path(folder))]


def _make(source: Path, target: str, variable: str) -> None:
    command = [str(find_tool("make")), "--silent", "-C", str(source), target, variable]
    # Variables of an outer make must not reach this one.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, errors="replace", timeout=MAKE_TIMEOUT_S, check=False
    )
    if done.returncode:
        raise ImageError(f"make -C {source} {target} failed:\n{done.stderr.strip()[-2000:]}")


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
