"""What Debian's own integration of kexec does today on each release, with kexec-load purged."""

from __future__ import annotations

import pytest

from harness.model import BootPath

pytestmark = pytest.mark.vm

#: image -> the path that a reboot takes. A change is news, whichever way it goes.
KNOWN: dict[str, BootPath] = {}


def test_the_path_of_a_reboot_is_the_known_one(guest, record_property):
    verdict = guest.reboot("distro-kexec")
    record_property("path", verdict.path.value)
    record_property("verdict", verdict.failure_class.value if verdict.failure_class else verdict.outcome.value)
    known = KNOWN.get(guest.cell.image)
    assert known in {None, verdict.path}, f"it was {known}, and is {verdict.path}: {verdict.reason}"
    assert verdict.path in {BootPath.KEXEC, BootPath.FIRMWARE}, verdict.reason
