"""A kernel and a tiny initramfs that proves an accelerator: its init prints a nonce and powers off.

The kernel is one of a finished image's, or else Debian's cloud kernel; busybox is the host's static one, or
Debian's. No compiler is needed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import filelock
import msgspec
from msgspec import Struct

from harness.errors import ImageError
from harness.host.accel import NONCE_WORD, PROOF_WORD
from harness.host.tools import find_tool
from harness.images import cache
from harness.images.mirror import choose_mirror
from harness.images.recipe import Recipe
from harness.images.rootfs import EPOCH, explain, mode_words
from harness.images.run import run
from harness.model.architectures import ARCHITECTURES

#: where Debian's busybox-static is; the package busybox is linked dynamically
BUSYBOX_PATHS = (Path("/bin/busybox"), Path("/usr/bin/busybox"))
INIT = f"""#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
read -r line </proc/cmdline
for word in $line; do
    case $word in
        {NONCE_WORD}=*) echo "{PROOF_WORD} ${{word#*=}}" >/dev/{ARCHITECTURES["x86_64"].serial_console} ;;
    esac
done
/bin/busybox poweroff -f
"""
PACKAGES = ("linux-image-cloud-amd64", "busybox-static")
SOURCE = Recipe(
    name="probe",
    distro="debian",
    release="bookworm",
    arch="x86_64",
    init="systemd",
    disk_mib=256,
    packages=PACKAGES,
    cmdline=(),
)
CPIO_TIMEOUT_S = 60


class ProbeKit(Struct, frozen=True):
    """What QEMU boots to prove an accelerator."""

    kernel: Path
    initrd: Path


def ensure_probe_kit(cache_dir: Path, mirror: str | None, progress: Callable[[str], None]) -> ProbeKit:
    """The probe kit in `cache_dir`; made in a fraction of a second if an image or the host brings its parts.

    Raises what building an image raises.
    """
    folder = cache_dir / "probe"
    with cache.writable(folder), filelock.FileLock(folder / ".lock"):
        kernel = _built_kernel(cache_dir) or folder / "vmlinuz"
        busybox = _host_busybox() or folder / "busybox"
        if not (kernel.is_file() and busybox.is_file()):
            _download(folder, mirror, progress)
        return ProbeKit(kernel, _initrd(folder, busybox))


def _built_kernel(cache_dir: Path) -> Path | None:
    """The kernel of the newest finished image, checked against its checksum."""
    images = cache_dir / "images"
    for manifest_path in sorted(
        images.glob(f"*/{cache.MANIFEST}"), key=lambda path: path.stat().st_mtime, reverse=True
    ):
        try:
            manifest = msgspec.json.decode(manifest_path.read_bytes(), type=cache.Manifest)
            kernel = manifest_path.parent / cache.KERNEL
            if (
                not manifest_path.parent.name.startswith(".")
                and cache.sha256_of(kernel) == manifest.sha256[cache.KERNEL]
            ):
                return kernel
        except (OSError, KeyError, msgspec.DecodeError):
            continue  # a damaged image is found and rebuilt when it is asked for
    return None


def _host_busybox() -> Path | None:
    """The host's busybox if it is a static one: no interpreter is named in its ELF header."""
    for path in BUSYBOX_PATHS:
        if path.is_file() and b"ld-linux" not in path.read_bytes()[:4096]:
            return path
    return None


def _initrd(folder: Path, busybox: Path) -> Path:
    """A cpio archive with busybox, the init and the console's device node."""
    content = busybox.read_bytes()
    key = hashlib.sha256(content + INIT.encode()).hexdigest()[: cache.KEY_DIGITS]
    target = folder / f"initrd-{key}.img"
    if target.is_file():
        return target
    with tempfile.TemporaryDirectory(dir=folder) as name:
        tree = Path(name)
        for directory in ("bin", "dev", "proc"):
            (tree / directory).mkdir()
        (tree / "bin/busybox").write_bytes(content)
        (tree / "init").write_text(INIT, "ascii")
        for path in (tree / "bin/busybox", tree / "init"):
            path.chmod(0o755)
        names = ".\nbin\nbin/busybox\ndev\nproc\ninit\n"
        command = [str(find_tool("cpio")), "--quiet", "-o", "-H", "newc", "-R", "0:0"]
        done = subprocess.run(
            command, cwd=tree, input=names.encode(), capture_output=True, timeout=CPIO_TIMEOUT_S, check=False
        )
        if done.returncode:
            raise ImageError(f"cpio failed: {done.stderr.decode('utf-8', 'replace').strip()}")
        fresh = target.with_suffix(".new")
        fresh.write_bytes(done.stdout)
        fresh.replace(target)
    return target


def _download(folder: Path, mirror: str | None, progress: Callable[[str], None]) -> None:
    """Get a small kernel and a static busybox out of their Debian packages, without installing anything."""
    address = choose_mirror(SOURCE, mirror)
    progress(f"probe: fetching a small kernel from {address}")
    with tempfile.TemporaryDirectory(dir=folder) as name:
        work = Path(name)
        tree, log = work / "root.tar", folder / "download.log"
        command = [
            *mode_words(),
            "--variant=extract",
            "--format=tar",
            f"--include={','.join(PACKAGES)}",
            '--aptopt=Acquire::Languages "none"',
            SOURCE.release,
            str(tree),
            address,
        ]
        env = {"SOURCE_DATE_EPOCH": str(EPOCH)}
        run(command, log=log, env=env, explain=lambda tail: explain(tail, SOURCE, address), tool="mmdebstrap")
        run(["tar", "-x", "-f", str(tree), "-C", str(work), "--wildcards", "./boot/vmlinuz-*", "*bin/busybox"], log=log)
        kernel = next(work.glob("boot/vmlinuz-*"))
        busybox = next(path for path in work.rglob("busybox") if path.is_file())
        shutil.move(kernel, folder / "vmlinuz")
        shutil.move(busybox, folder / "busybox")
