"""A Debian as clouds have it, to be prepared: with cloud-init, GRUB's own configuration, and nothing of the harness.

It has kexec-tools, which Debian's own cloud images have not: here no guest reaches a package mirror.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness.images.disk import assemble_disk
from harness.images.guestfiles import GuestFile, write_tar
from harness.images.mirror import choose_mirror
from harness.images.recipe import Recipe
from harness.images.rootfs import EPOCH, GRUB_EARLY_CONFIG, GRUB_MODULES, explain, mode_words
from harness.images.run import run
from harness.model.architectures import ARCHITECTURES

RECIPE = Recipe(
    name="cloud-debian",
    distro="debian",
    release="trixie",
    arch="x86_64",
    init="systemd",
    disk_mib=1800,
    packages=(
        *("linux-image-amd64", "systemd", "systemd-sysv", "udev", "dbus", "kmod", "zstd", "e2fsprogs", "iproute2"),
        *("kexec-tools", "cloud-init", "grub2-common", "grub-pc-bin", "grub-efi-amd64-bin"),
    ),
    cmdline=(),
)
# systemd's BPF LSM takes up to 18 s under emulation.
LSM = "lsm=landlock,lockdown,yama,integrity,apparmor"
FILES = {
    "etc/fstab": "LABEL=kexec-root / ext4 errors=remount-ro 0 1\n",
    "etc/hostname": "cloud\n",
    "etc/machine-id": "",
    "etc/default/grub": (
        f'GRUB_DEFAULT=0\nGRUB_TIMEOUT=0\nGRUB_CMDLINE_LINUX="{LSM}"\nGRUB_CMDLINE_LINUX_DEFAULT="quiet console=tty0"\n'
    ),
    # What an installer would have had update-grub write. The kernel's console is on no serial port.
    "boot/grub/grub.cfg": (
        "set timeout=0\nmenuentry Debian {\n"
        f"linux /vmlinuz root=LABEL=kexec-root ro {LSM} quiet console=tty0\ninitrd /initrd.img\n}}\n"
    ),
}
#: GRUB with its modules beside its configuration, as grub-install puts them there; $1 is the root
GRUB_SCRIPT = (
    'mkdir -p "$1/boot/grub/{platform}"; cp "$1"/usr/lib/grub/{platform}/*.mod "$1"/usr/lib/grub/{platform}/*.lst '
    '"$1/boot/grub/{platform}"; printf "{early}" >"$1/boot/grub/early.cfg"; chroot "$1" grub-mkimage -O {platform} '
    "-p /boot/grub -c /boot/grub/early.cfg -o /boot/grub/{platform}/{name} {modules}"
)


def cloud_image(cache_dir: Path, mirror: str | None, say: Callable[[str], None]) -> Path:
    """The image, as qcow2: built once for as long as this file stays the same. Raises what building an image raises."""
    key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    target = cache_dir / "scenarios" / f"{RECIPE.name}-{key}.qcow2"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as name:
            _build(Path(name), choose_mirror(RECIPE, mirror), say)
            shutil.move(Path(name) / "disk.qcow2", target)
    return target


def _build(folder: Path, mirror: str, say: Callable[[str], None]) -> None:
    folder.chmod(0o755)
    say(f"{RECIPE.name}: building from {mirror}")
    log, guest_tar = folder / "build.log", folder / "guest.tar"
    write_tar(tuple(GuestFile(name, 0o644, text.encode()) for name, text in FILES.items()), guest_tar, EPOCH)
    scripts = [
        GRUB_SCRIPT.format(platform=platform, name=name, early=GRUB_EARLY_CONFIG, modules=f"{GRUB_MODULES} {modules}")
        for platform, (name, modules) in ARCHITECTURES[RECIPE.arch].grub_images.items()
    ]
    run(
        [
            *mode_words(),
            "--variant=minbase",
            "--format=tar",
            f"--include={','.join(RECIPE.packages)}",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            '--aptopt=Acquire::Languages "none"',
            *(f"--customize-hook={script}" for script in scripts),
            RECIPE.release,
            str(folder / "rootfs.tar"),
            mirror,
        ],
        log=log,
        env={"DEBIAN_FRONTEND": "noninteractive", "SOURCE_DATE_EPOCH": str(EPOCH)},
        explain=lambda tail: explain(tail, RECIPE, mirror),
        tool="mmdebstrap",
    )
    disk = assemble_disk(RECIPE, folder, log)
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(disk), str(folder / "disk.qcow2")], log=log)
