"""One image's place in the cache: the finished one, or one that is made now, alone and moved into place whole."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock

from harness.clock import Clock
from harness.errors import ImageError
from harness.images import cache
from harness.images.cache import BuiltImage
from harness.images.recipe import AnyRecipe

Progress = Callable[[str], None]
#: images of the same name that nobody used for so long make room for a new one, if nothing else is said
UNUSED_S = 14 * 24 * 3600
#: names of leftovers begin so, and end in as many characters as `tempfile` gives: `debian-12` has none of
#: `debian-12-backports`
BUILD_PREFIX, BUILD_SUFFIX = ".build-", "?" * 8


def ensure_entry(
    recipe: AnyRecipe,
    key: str,
    make: Callable[[Path], None],
    *,
    images: Path,
    name: str,
    again: str,
    progress: Progress,
    clock: Clock,
    unused_s: float = UNUSED_S,
) -> BuiltImage:
    """The image with this key below `images`, where it is called `name`; `make` fills an empty folder with a new one.

    `again`: what is said to happen to one that is damaged. Others of that name which nobody has used for `unused_s`
    seconds make room. Raises ImageError, and what `make` raises, of which nothing stays but what it has put elsewhere.
    """
    with cache.writable(images), _locked(images / f"{name}.lock", recipe.name, progress):
        folder = cache.entry_folder(images, name, key)
        if folder.exists():
            try:
                return cache.open_entry(folder, recipe, key)
            except ImageError as error:
                progress(f"{recipe.name}: {error}; {again}")
                cache.discard(folder)
        for leftover in images.glob(f"{BUILD_PREFIX}{name}-{BUILD_SUFFIX}"):
            cache.discard(leftover)
        making = Path(tempfile.mkdtemp(prefix=f"{BUILD_PREFIX}{name}-", dir=images))
        try:
            making.chmod(0o755)
            make(making)
            making.rename(folder)
        finally:
            cache.discard(making)
        cache.prune(images, folder, name, unused_s, clock.wall().timestamp())
        return cache.open_entry(folder, recipe, key)


@contextlib.contextmanager
def _locked(path: Path, name: str, progress: Progress) -> Iterator[None]:
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
