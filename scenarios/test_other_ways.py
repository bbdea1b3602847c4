"""What other ways to kexec do today on each release: Debian's own integration, and `systemctl kexec`."""

from __future__ import annotations

import pytest

from harness.model import BootPath

pytestmark = pytest.mark.vm

WAYS = ("distro-kexec", "systemctl-kexec")
#: (image, method) -> the path that the reboot takes. A change is news, whichever way it goes.
KNOWN: dict[tuple[str, str], BootPath] = {}


@pytest.mark.parametrize("way", WAYS)
def test_the_path_of_a_reboot_is_the_known_one(guest, way, record_property):
    verdict = guest.reboot(way)
    record_property("path", verdict.path.value)
    record_property("verdict", verdict.failure_class.value if verdict.failure_class else verdict.outcome.value)
    known = KNOWN.get((guest.cell.image, way))
    assert known in {None, verdict.path}, f"it was {known}, and is {verdict.path}: {verdict.reason}"
    assert verdict.path in {BootPath.KEXEC, BootPath.FIRMWARE}, verdict.reason
