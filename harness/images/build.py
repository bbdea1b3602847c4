"""Builds an image, or finds the finished one: one build at a time, moved into place whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from harness.clock import Clock, HostClock
from harness.errors import NoSpace
from harness.images import cache, guestfiles
from harness.images.alpine import build_alpine
from harness.images.cache import BuiltImage
from harness.images.disk import MIB, assemble_disk
from harness.images.entry import Progress, ensure_entry
from harness.images.guestfiles import GuestFile
from harness.images.mirror import choose_mirror
from harness.images.recipe import Recipe
from harness.images.rootfs import build_rootfs


def ensure(
    recipe: Recipe,
    *,
    images_dir: Path,
    cache_dir: Path,
    mirror: str | None,
    progress: Progress,
    clock: Clock | None = None,
) -> BuiltImage:
    """The image of `recipe` as the files in `images_dir` make it: the finished one, or a new one.

    `mirror` is the user's, if any. `progress` gets one line per stage of a build, with its seconds.
    Raises ConfigError, ImageError, InfraError, NoSpace or ToolMissing; a failed build leaves nothing behind.
    """
    clock = clock or HostClock()
    files = guestfiles.collect(images_dir, recipe)
    key = cache.image_key(recipe, files)

    def make(folder: Path) -> None:
        _build(recipe, files, key, folder, mirror=mirror, progress=progress, clock=clock)

    return ensure_entry(
        recipe,
        key,
        make,
        images=cache_dir / "images",
        name=recipe.name,
        again="building it again",
        progress=progress,
        clock=clock,
    )


def _build(
    recipe: Recipe,
    files: tuple[GuestFile, ...],
    key: str,
    folder: Path,
    *,
    mirror: str | None,
    progress: Progress,
    clock: Clock,
) -> None:
    """Fill the empty `folder`."""
    address = choose_mirror(recipe, mirror)
    _check_space(recipe, folder.parent)
    began = clock.monotonic()

    def tell(stage: str) -> None:
        progress(f"{recipe.name}: {clock.monotonic() - began:4.0f} s  {stage}")

    tell(f"building from {address}")
    log = folder / "build.log"
    if recipe.distro == "alpine":
        downloads = folder.parent.parent / "downloads"
        build_alpine(recipe, files, mirror=address, downloads=downloads, folder=folder, log=log, on_stage=tell)
    else:
        build_rootfs(recipe, files, mirror=address, folder=folder, log=log, on_stage=tell)
    tell("putting the disk together")
    assemble_disk(recipe, folder, log)
    tell("taking checksums")
    cache.write_manifest(folder, recipe.name, key)
    tell(f"done: {cache.entry_folder(folder.parent, recipe.name, key)}")


def _check_space(recipe: Recipe, images: Path) -> None:
    """Raise NoSpace unless both the cache and mmdebstrap's folder can hold what a build needs.

    Most at one time: the root file system twice (as files, and as a tar or a disk).
    """
    temporary = images if os.geteuid() == 0 else Path(tempfile.gettempdir())
    for path, needed in ((images, 2 * recipe.disk_mib), (temporary, recipe.disk_mib)):
        available = shutil.disk_usage(path).free // MIB
        if available < needed:
            raise NoSpace(
                f"{path}: building {recipe.name} needs {needed} MiB, and {available} MiB are available",
                mend="make room, or put the cache elsewhere: KEXEC_CACHE_DIR=/another/folder",
            )
