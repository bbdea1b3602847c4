"""Builds an image, or finds the finished one: one build at a time, moved into place whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock

from harness.clock import Clock, HostClock
from harness.errors import ImageError, NoSpace
from harness.images import cache, guestfiles
from harness.images.cache import BuiltImage
from harness.images.disk import MIB, assemble_disk
from harness.images.guestfiles import GuestFile
from harness.images.mirror import choose_mirror
from harness.images.recipe import Recipe
from harness.images.rootfs import build_rootfs

Progress = Callable[[str], None]
#: images of the same name that nobody used for so long make room for a new one
UNUSED_S = 14 * 24 * 3600
#: names of leftovers begin so
BUILD_PREFIX = ".build-"


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
    images = cache_dir / "images"
    with cache.writable(images), locked(images / f"{recipe.name}.lock", recipe.name, progress):
        folder = cache.entry_folder(images, recipe.name, key)
        if folder.exists():
            try:
                return cache.open_entry(folder, recipe, key)
            except ImageError as error:
                progress(f"{recipe.name}: {error}; building it again")
                cache.discard(folder)
        _build(recipe, files, key, folder, mirror=mirror, progress=progress, clock=clock)
        cache.prune(images, folder, recipe.name, UNUSED_S, clock.wall().timestamp())
        return cache.open_entry(folder, recipe, key)


@contextlib.contextmanager
def locked(path: Path, name: str, progress: Progress) -> Iterator[None]:
    """Hold the lock at `path` of the image called `name`; who has to wait for it is told so."""
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        progress(f"{name}: waiting for another process that is at this image")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


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
    """Build into a folder beside `folder`, then rename. Called with the lock held."""
    address = choose_mirror(recipe, mirror)
    for leftover in folder.parent.glob(f"{BUILD_PREFIX}{recipe.name}-*"):
        cache.discard(leftover)
    _check_space(recipe, folder.parent)
    began = clock.monotonic()

    def tell(stage: str) -> None:
        progress(f"{recipe.name}: {clock.monotonic() - began:4.0f} s  {stage}")

    tell(f"building from {address}")
    building = Path(tempfile.mkdtemp(prefix=f"{BUILD_PREFIX}{recipe.name}-", dir=folder.parent))
    try:
        building.chmod(0o755)
        log = building / "build.log"
        build_rootfs(recipe, files, mirror=address, folder=building, log=log, on_stage=tell)
        tell("putting the disk together")
        assemble_disk(recipe, building, log)
        tell("taking checksums")
        cache.write_manifest(building, recipe.name, key)
        building.rename(folder)
    finally:
        cache.discard(building)
    tell(f"done: {folder}")


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
