"""The Debian mirror that this host's apt is set up with."""

from __future__ import annotations

import re
import subprocess

from harness.errors import InfraError
from harness.host.tools import which

#: what to do where there is none
MEND = "name a mirror of Debian: MIRROR=http://HOST/debian"
#: releases that tell a Debian mirror apart from others when apt has not fetched its Release file yet
DEBIAN_RELEASES = frozenset(
    (
        *("bullseye", "bookworm", "trixie", "forky", "duke", "sid"),
        *("oldoldstable", "oldstable", "stable", "testing", "unstable"),
    )
)
FORMAT = "$(REPO_URI)|$(ORIGIN)|$(RELEASE)"
APT_TIMEOUT_S = 20


def apt_mirror() -> str:
    """Address of the mirror. Raises InfraError without one."""
    fetched = _index_targets()
    mirror = parse_index_targets(fetched) or parse_index_targets(_unfetched(fetched))
    if mirror is None:
        raise InfraError("no Debian mirror: this host's apt is set up with none", mend=MEND)
    return mirror


def _unfetched(fetched: str) -> str:
    """The archives that apt has not fetched yet, which it leaves out where it is asked for their origin."""
    known = {line.partition("|")[0] for line in fetched.splitlines()}
    every = _index_targets("--no-release-info").splitlines()
    return "\n".join(line for line in every if line.partition("|")[0] not in known)


def _index_targets(*options: str) -> str:
    """What apt says of the package lists it is set up with; empty on a host without apt."""
    apt_get = which("apt-get")
    if apt_get is None:
        return ""
    command = [str(apt_get), "indextargets", *options, "--format", FORMAT, "Created-By: Packages"]
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
