"""What Debian's own integration of kexec does today on each release, with kexec-load purged."""

from __future__ import annotations

import pytest

from harness.model import BootPath

pytestmark = [pytest.mark.vm, pytest.mark.thorough]

#: image -> the path that a reboot takes. A change is news, whichever way it goes.
KNOWN = {
    # systemd decides between reboot and kexec when it is asked, before the SysV script loads anything.
    "debian-11": BootPath.FIRMWARE,
    "debian-12": BootPath.FIRMWARE,
    # Loaded beforehand by kexec-load-kernel; logind, from systemd 255 on, then makes the reboot a kexec.
    "debian-13": BootPath.KEXEC,
    "debian-sid": BootPath.KEXEC,
}


def test_the_path_of_a_reboot_is_the_known_one(guest, request):
    verdict = guest.reboot("distro-kexec")
    request.node.user_properties.append(("path", verdict.path.value))
    known = KNOWN.get(guest.cell.image)
    assert known in {None, verdict.path}, f"it was {known}, and is {verdict.path}: {verdict.reason}"
    assert verdict.path in {BootPath.KEXEC, BootPath.FIRMWARE}, verdict.reason
