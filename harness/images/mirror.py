"""Which Debian mirror an image is built from: the one that the user names, or the one this host's apt uses."""

from __future__ import annotations

import re
import subprocess
from urllib.parse import urlsplit

from harness.errors import ConfigError, InfraError
from harness.host.tools import which
from harness.images.recipe import Recipe

MEND = "name one with an Archive of Debian: MIRROR=http://HOST/debian (environment or make variable)"
#: releases that tell a Debian mirror apart from others when apt has not fetched its Release file yet
DEBIAN_RELEASES = frozenset(
    (
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "duke",
        "sid",
        "oldoldstable",
        "oldstable",
        "stable",
        "testing",
        "unstable",
    )
)
FORMAT = "$(REPO_URI)|$(ORIGIN)|$(RELEASE)"
APT_TIMEOUT_S = 20


def choose_mirror(recipe: Recipe, named: str | None) -> str:
    """Address of the mirror for `recipe`; `named` is the user's, if any.

    Raises ConfigError if what the user named does not fit, InfraError if there is no mirror at all.
    """
    if named:
        return _with_snapshot(recipe, _checked(named))
    if recipe.snapshot:
        raise _needs_snapshot_mirror(recipe)
    mirror = parse_index_targets(_index_targets())
    if mirror is None:
        raise InfraError("no Debian mirror: this host's apt is set up with none", mend=MEND)
    return mirror


def _checked(mirror: str) -> str:
    parts = urlsplit(mirror)
    if any(c.isspace() for c in mirror) or parts.scheme not in {"http", "https", "file", "copy"}:
        raise ConfigError(f"{mirror!r} is not an address of a mirror", key="MIRROR", mend=MEND)
    return mirror


def _with_snapshot(recipe: Recipe, mirror: str) -> str:
    if recipe.snapshot is None:
        if "{snapshot}" in mirror:
            raise ConfigError(
                f"contains {{snapshot}}, but the recipe of {recipe.name} gives no snapshot date", key="MIRROR"
            )
        return mirror
    if "{snapshot}" not in mirror:
        raise _needs_snapshot_mirror(recipe)
    return mirror.replace("{snapshot}", recipe.snapshot)


def _needs_snapshot_mirror(recipe: Recipe) -> ConfigError:
    return ConfigError(
        f"the recipe asks for the packages of {recipe.snapshot}, for which an ordinary mirror is no use",
        key=f"{recipe.name}: snapshot",
        mend="name a mirror that keeps its past: MIRROR=http://HOST/archive/debian/{snapshot}",
    )


def _index_targets() -> str:
    """What apt says of the package lists it is set up with; empty on a host without apt."""
    apt_get = which("apt-get")
    if apt_get is None:
        return ""
    command = [str(apt_get), "indextargets", "--format", FORMAT, "Created-By: Packages"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=APT_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise InfraError(f"apt-get indextargets gave no answer within {APT_TIMEOUT_S} s", mend=MEND) from error
    return done.stdout


def parse_index_targets(text: str) -> str | None:
    """The first Debian archive in lines of `FORMAT`; None without one.

    An archive that apt has not fetched yet has no origin: there the release's name decides. Security, updates
    and backports are no archives that a system can be installed from.
    """
    for line in text.splitlines():
        uri, origin, release = ([*line.strip().split("|"), "", ""])[:3]
        unfetched = origin in {"", "$(ORIGIN)"}
        is_debian = origin == "Debian" or (unfetched and release in DEBIAN_RELEASES)
        if uri and is_debian and not re.search(r"[-/](security|updates|backports)\b", f"{uri} {release}"):
            return uri
    return None
