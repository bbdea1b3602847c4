"""The recipe of a small image, and a folder of recipes that has it."""

from __future__ import annotations

from pathlib import Path

MIRROR = "http://mirror.example/debian"
RECIPE = """\
distro = "debian"
release = "trixie"
arch = "x86_64"
init = "systemd"
disk_mib = 256
packages = ["udev",
    "systemd"]
cmdline = ["console=ttyS0"]
"""


def small_images_dir(tmp_path: Path) -> Path:
    """A folder with one recipe, `small`, and the least that an image of it gets."""
    folder = tmp_path / "images"
    for name, text in {
        "small.toml": RECIPE,
        "guest/etc/hostname": "guest\n",
        "guest/boot/grub/grub.cfg": "linux /vmlinuz @CMDLINE@\n",
        "kexec-load/kexec-load": "#!/bin/sh\n",
        "kexec-load/Makefile": "deb:\n\tcp kexec-load $(BUILD)/kexec-load_1_all.deb\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder
