"""Which kernels a cell reboots from and to, as people write it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

#: the kernel that the image boots when nothing is chosen
DEFAULT_KERNEL = "default"
ARROW = "->"
FORMS = "a version (6.12), two (6.1->6.12: from the first to the second), or a file (./bzImage)"

_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*([-+~_][A-Za-z0-9.+~_-]*)?")


class KernelChoice(Struct, frozen=True):
    """Beginnings of releases, whole parts each; both the same where a reboot stays with one kernel."""

    outgoing: str
    incoming: str


def is_kernel_file(text: str) -> bool:
    """Whether it is a path, of a kernel that the user has built: `./bzImage` has a slash, `bzImage` would be a name."""
    return "/" in text


def kernel_choice(text: str) -> KernelChoice | None:
    """What `6.12` or `6.1->6.12` asks for; None for `default` and for a file. Raises ValueError for anything else.

    >>> kernel_choice("6.1->6.12")
    KernelChoice(outgoing='6.1', incoming='6.12')
    """
    if text == DEFAULT_KERNEL or is_kernel_file(text):
        return None
    outgoing, arrow, incoming = text.partition(ARROW)
    if not arrow:
        incoming = outgoing
    if outgoing.endswith("-") and not arrow and _VERSION.fullmatch(outgoing[:-1]):
        raise ValueError(f"'{text}' has lost its end: a shell takes > for itself, so put it in quotes")
    for version in (outgoing, incoming):
        if not _VERSION.fullmatch(version):
            raise ValueError(f"'{text}' is no kernel: it is {DEFAULT_KERNEL}, {FORMS}")
    return KernelChoice(outgoing, incoming)


def fits(release: str, version: str) -> bool:
    """Whether a release, as `uname -r` gives it, is of this version: whole parts count.

    >>> fits("6.1.0-44-amd64", "6.1"), fits("6.12.95+deb12-amd64", "6.1")
    (True, False)
    """
    return release == version or (release.startswith(version) and not release[len(version)].isalnum())


def find_release(releases: Sequence[str], version: str) -> str:
    """The one release of this version. Raises ValueError if there is none, or more than one."""
    found = [release for release in releases if fits(release, version)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"'{version}' may be {' or '.join(found)}: write more of it")
    raise ValueError(f"has no kernel {version}; it has {', '.join(releases)}")
