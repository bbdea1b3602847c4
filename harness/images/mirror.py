"""Which Debian mirror an image is built from: the one that the user names, or the one this host's apt uses."""

from __future__ import annotations

from urllib.parse import urlsplit

from harness.errors import ConfigError
from harness.host.mirror import MEND, apt_mirror
from harness.images.recipe import Recipe

SNAPSHOT_MARK = "{snapshot}"


def choose_mirror(recipe: Recipe, named: str | None) -> str:
    """Address of the mirror for `recipe`; `named` is the user's, if any.

    Raises ConfigError if what the user named does not fit, InfraError if there is no mirror at all.
    """
    if named and not _is_address(named):
        raise ConfigError(f"{named!r} is not an address of a mirror", key="MIRROR", mend=MEND)
    if recipe.snapshot is None:
        if named and SNAPSHOT_MARK in named:
            raise ConfigError(f"has {SNAPSHOT_MARK} in it, but {recipe.name} asks for no snapshot", key="MIRROR")
        return named or apt_mirror()
    if not named or SNAPSHOT_MARK not in named:
        raise ConfigError(
            f"the packages of {recipe.snapshot} are on no ordinary mirror",
            key=f"{recipe.name}: snapshot",
            mend=f"name a mirror that keeps its past: MIRROR=http://HOST/archive/debian/{SNAPSHOT_MARK}",
        )
    return named.replace(SNAPSHOT_MARK, recipe.snapshot)


def _is_address(mirror: str) -> bool:
    return urlsplit(mirror).scheme in {"http", "https", "file", "copy"} and not any(c.isspace() for c in mirror)
