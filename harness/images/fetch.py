"""Fetches the disk image that a recipe names, url and sha256: once, resumed where it broke off, never used unchecked.

CACHE/downloads/SHA256           what was fetched
CACHE/downloads/SHA256.part      what there is of it so far
"""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import filelock

from harness.errors import ConfigError, InfraError
from harness.images import cache
from harness.images.recipe import DiskRecipe

TIMEOUT_S = 60
PIECE_BYTES = 1 << 20
#: how often progress is said
TOLD_BYTES = 256 << 20
PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE = 206, 416


def fetch(recipe: DiskRecipe, cache_dir: Path, progress: Callable[[str], None]) -> Path:
    """The file that the recipe names, with the checksum that it names.

    Raises ConfigError if the file is another one, InfraError if it cannot be had, NoSpace.
    """
    if urlsplit(recipe.url).scheme == "file":
        path = Path(unquote(urlsplit(recipe.url).path))
        if not path.is_file():
            raise ConfigError(f"{path}: there is no such file", key=f"{recipe.name}: url")
        _check(path, cache.sha256_once(path, cache_dir), recipe)
        return path
    folder = cache_dir / "downloads"
    target, part = folder / recipe.sha256, folder / f"{recipe.sha256}.part"
    with cache.writable(folder), filelock.FileLock(folder / f"{recipe.sha256}.lock"):
        if target.is_file() and cache.sha256_once(target, cache_dir) == recipe.sha256:
            return target
        target.unlink(missing_ok=True)
        resumed = part.exists()
        _download(recipe, part, progress)
        found = cache.sha256_of(part)
        if found != recipe.sha256 and resumed:
            # The rest may be of another file than the beginning.
            progress(f"{recipe.name}: the pieces do not fit together; fetching all of it again")
            part.unlink()
            _download(recipe, part, progress)
            found = cache.sha256_of(part)
        try:
            _check(part, found, recipe)
        except ConfigError:
            part.unlink()
            raise
        part.replace(target)
        return target


def _check(path: Path, found: str, recipe: DiskRecipe) -> None:
    if found != recipe.sha256:
        problem = f"{recipe.url} has another checksum than the recipe says"
        mend = f"the recipe: {recipe.sha256}\n  the file:   {found} ({path.stat().st_size} bytes)"
        raise ConfigError(problem, key=f"{recipe.name}: sha256", mend=mend)


def _download(recipe: DiskRecipe, part: Path, progress: Callable[[str], None]) -> None:
    """Append to `part` what is missing of the file."""
    there = part.stat().st_size if part.exists() else 0
    progress(f"{recipe.name}: fetching {recipe.url}" + (f", from {there >> 20} MiB on" if there else ""))
    request = urllib.request.Request(recipe.url, headers={"Range": f"bytes={there}-"} if there else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            if answer.status != PARTIAL_CONTENT:
                there = 0
            _save(answer, part, there, recipe, progress)
    except urllib.error.HTTPError as error:
        if error.code != RANGE_NOT_SATISFIABLE:
            raise InfraError(f"{recipe.name}: {recipe.url}: {error.code} {error.reason}") from error
        # All of it is there already.
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        mend = "what has come is kept, and the next run goes on from there"
        raise InfraError(f"{recipe.name}: {recipe.url}: {reason or type(error).__name__}", mend=mend) from error


def _save(
    answer: http.client.HTTPResponse, part: Path, there: int, recipe: DiskRecipe, progress: Callable[[str], None]
) -> None:
    length = answer.headers.get("Content-Length", "")
    whole = there + int(length) if length.isdigit() else None
    told = there
    with part.open("r+b" if there else "wb") as file:
        file.seek(there)
        while piece := answer.read(PIECE_BYTES):
            file.write(piece)
            there += len(piece)
            if there - told >= TOLD_BYTES:
                told = there
                progress(f"{recipe.name}: {there >> 20} MiB" + (f" of {whole >> 20}" if whole else ""))
        os.fsync(file.fileno())
    if whole is not None and there < whole:
        mend = "what has come is kept, and the next run goes on from there"
        raise InfraError(f"{recipe.name}: {recipe.url} broke off after {there} of {whole} bytes", mend=mend)
