"""A root file system as a tar, made by mmdebstrap: as root directly, as anyone else in a user namespace."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from harness.errors import ImageError, InfraError
from harness.host.building import BuildMode, build_mode
from harness.host.tools import find_tool
from harness.images.guestfiles import PACKAGE, GuestFile, write_tar
from harness.images.recipe import Recipe
from harness.images.run import run
from harness.model.architectures import ARCHITECTURES

#: Everything in an image that carries a time carries this one or an earlier one (2024-01-01 UTC), so that
#: the same packages give the same disk whenever it is built (https://reproducible-builds.org/specs/source-date-epoch/).
EPOCH = 1704067200

#: Documentation that no guest reads: a third of the files.
EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")

#: GRUB finds its configuration on the root file system, wherever the firmware has put that disk.
GRUB_EARLY_CONFIG = "search --no-floppy --label --set=root kexec-root\\nset prefix=(\\$root)/boot/grub\\n"
GRUB_MODULES = "part_msdos ext2 search search_label normal configfile echo linux serial terminal gzio"

#: Packages that lie in the image without being installed, with what they need: for a kernel installed since boot.
#: The chroot has no name service, so the host's apt fetches them.
SPARE_SCRIPT = (
    'mkdir -p "$1/var/cache/kexec-harness/partial"'
    ' && APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --yes --download-only --no-install-recommends'
    ' --option "Dir::Cache::archives=$1/var/cache/kexec-harness/" install '
)

#: Kernels of other suites: fetched like the spare packages, installed beside the one that is there. Which one a boot
#: starts is what these links say, and a kernel's installation turns them to the newest.
MORE_KERNELS_SCRIPT = (
    'set -e; kernel=$(readlink "$1/vmlinuz"); initrd=$(readlink "$1/initrd.img")'
    '; APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --yes --download-only --no-install-recommends install {packages}'
    '; chroot "$1" apt-get --yes --no-download --no-install-recommends install {packages}; chroot "$1" apt-get clean'
    '; ln -sfn "$kernel" "$1/vmlinuz"; ln -sfn "$initrd" "$1/initrd.img"; rm -f "$1/vmlinuz.old" "$1/initrd.img.old"'
)


def build_rootfs(
    recipe: Recipe,
    files: tuple[GuestFile, ...],
    *,
    mirror: str,
    folder: Path,
    log: Path,
    on_stage: Callable[[str], None],
) -> Path:
    """Make `folder`/rootfs.tar for `recipe`; `on_stage` hears mmdebstrap's stages.

    Raises ImageError (with the end of mmdebstrap's output), InfraError (mirror, keys, user namespaces),
    NoSpace or ToolMissing.
    """
    guest_tar, target = folder / "guest.tar", folder / "rootfs.tar"
    write_tar(files, guest_tar, EPOCH)
    words = mmdebstrap_words(recipe, mirror=mirror, guest_tar=guest_tar, target=target)
    run_mmdebstrap(recipe, words, mirror=mirror, folder=folder, log=log, on_stage=on_stage)
    return target


def run_mmdebstrap(
    recipe: Recipe, words: list[str], *, mirror: str, folder: Path, log: Path, on_stage: Callable[[str], None]
) -> None:
    """Run mmdebstrap, with its temporary files in `folder` where that is allowed. Raises as `build_rootfs` does."""
    env = {"SOURCE_DATE_EPOCH": str(EPOCH), "DEBIAN_FRONTEND": "noninteractive"}
    if os.geteuid() == 0:
        env["TMPDIR"] = str(folder)
    run(
        [*mode_words(), *words],
        log=log,
        env=env,
        on_line=_stages(on_stage),
        explain=lambda tail: explain(tail, recipe, mirror),
        tool="mmdebstrap",
    )


def mmdebstrap_words(recipe: Recipe, *, mirror: str, guest_tar: Path, target: Path) -> list[str]:
    """What mmdebstrap is told, after the mode; pure."""
    suites = dict.fromkeys(kernel.partition("/")[2] for kernel in recipe.more_kernels)
    return [
        "--variant=minbase",
        "--format=tar",
        f"--architectures={ARCHITECTURES[recipe.arch].debian}",
        f"--include={','.join((*recipe.packages, *recipe.more_packages))}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED),
        # Guest files come before the packages that would ask about them.
        "--dpkgopt=force-confold",
        *apt_words(recipe),
        f"--essential-hook=tar-in {guest_tar} /",
        *(f"--customize-hook={script}" for script in customize_scripts(recipe)),
        recipe.release,
        str(target),
        mirror,
        *(f"deb {mirror} {suite} main" for suite in suites),
    ]


def apt_words(recipe: Recipe) -> list[str]:
    """How mmdebstrap's apt is to fetch packages."""
    return [
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=Acquire::Retries "3"',
        '--aptopt=Acquire::http::Timeout "30"',
        *(['--aptopt=Acquire::Check-Valid-Until "false"'] if recipe.snapshot or recipe.accept_expired else []),
    ]


def mode_words() -> list[str]:
    """How mmdebstrap is started. Raises InfraError or ToolMissing if this user cannot build."""
    mode = build_mode()
    if mode is BuildMode.ROOT:
        # What it mounts below its folder ends with it, even if it is killed.
        return ["unshare", "--mount", "--propagation=slave", str(find_tool("mmdebstrap")), f"--mode={mode}"]
    return ["mmdebstrap", f"--mode={mode}"]


def customize_scripts(recipe: Recipe) -> list[str]:
    """Shell scripts that finish the root file system; `$1` is its path."""
    scripts = grub_scripts(recipe)
    if recipe.more_kernels:
        scripts.append(MORE_KERNELS_SCRIPT.format(packages=" ".join(recipe.more_kernels)))
    scripts += _init_scripts(recipe)
    if recipe.spare_packages:
        scripts.append(SPARE_SCRIPT + " ".join(recipe.spare_packages))
    # The console is reached by nobody but the harness.
    scripts.append('chroot "$1" passwd --delete root')
    # The mirror is of no use to a guest without a network, and two mirrors must give the same disk.
    scripts.append('rm -f "$1/etc/apt/sources.list" "$1"/etc/apt/sources.list.d/*')
    return scripts


def grub_scripts(recipe: Recipe) -> list[str]:
    """Scripts that make GRUB's images, with the root file system's own GRUB; `$1` is its path."""
    scripts = [f'printf "{GRUB_EARLY_CONFIG}" >"$1/boot/grub/early.cfg"']
    for platform, (name, modules) in ARCHITECTURES[recipe.arch].grub_images.items():
        scripts.append(
            f'mkdir -p "$1/boot/grub/{platform}" && chroot "$1" grub-mkimage -O {platform} -p /boot/grub'
            f" -c /boot/grub/early.cfg -o /boot/grub/{platform}/{name} {GRUB_MODULES} {modules}"
        )
    return scripts


def _init_scripts(recipe: Recipe) -> list[str]:
    """What the image's init system needs."""
    if recipe.init == "busybox":
        return ['chroot "$1" /usr/lib/kexec-harness/set-up']
    scripts = [f'chroot "$1" dpkg --install /{PACKAGE}']
    if recipe.enable:
        scripts.append(f'chroot "$1" systemctl enable {" ".join(recipe.enable)}')
    if recipe.mask:
        scripts.append(f'chroot "$1" systemctl mask {" ".join(recipe.mask)}')
    return scripts


def _stages(on_stage: Callable[[str], None]) -> Callable[[str], None]:
    """Pick mmdebstrap's own stages out of what it and its children say."""

    def hear(line: str) -> None:
        found = re.match(r"I: ((?:running apt-get|downloading|extracting|installing|creating).*?)(\.\.\.)?$", line)
        if found:
            on_stage(found[1])

    return hear


def explain(tail: str, recipe: Recipe, mirror: str) -> InfraError | None:
    """What the end of mmdebstrap's output means, where it is one of the usual troubles."""
    if "NO_PUBKEY" in tail or "not signed" in tail or "EXPKEYSIG" in tail:
        return ImageError(
            f"this host does not have the key that {recipe.debian_suite} is signed with",
            mend="upgrade Debian's keys: apt-get install --only-upgrade debian-archive-keyring (or a newer one)",
        )
    if "is expired" in tail:
        return ImageError(
            f"{mirror} has an old {recipe.debian_suite}: its package list has expired:\n{tail}",
            mend="try another: MIRROR=..., or say accept_expired = true in the recipe",
        )
    if re.search(r"404 +Not Found|does not have a Release file|no longer has a Release file", tail):
        return ImageError(
            f"{mirror} has no {recipe.debian_suite}, or not all of it:\n{tail}", mend="try another: MIRROR=..."
        )
    if re.search(
        r"Could not (resolve|connect)|Unable to connect|Temporary failure|Connection (failed|refused|timed)", tail
    ):
        return InfraError(f"{mirror} cannot be reached:\n{tail}", mend="check the network, or name another: MIRROR=...")
    if "unshare" in tail and re.search(r"not permitted|failed|denied", tail):
        return InfraError(
            f"this host lets no normal user have a user namespace:\n{tail}",
            mend="build as root, or allow it (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces)",
        )
    return None
