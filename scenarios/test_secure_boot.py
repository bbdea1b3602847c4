"""What a kernel that secure boot has locked down lets kexec load: `make scenarios SELECT=secboot`.

Under lockdown every refusal is EPERM, whatever is wrong with the image (kernel/kexec_file.c, kernel/kexec.c).
"""

from __future__ import annotations

import pytest
from kexec_load import configure, deconfigure, sh

from harness.model import FailureClass, Firmware

pytestmark = pytest.mark.vm

KERNEL = "/root/kernel"
#: The place of the signature in a PE image: an entry of its header (Microsoft's "PE Format", optional header).
WITHOUT_SIGNATURE = f"""
header=$(od -An -tu4 -j60 -N4 {KERNEL})
head -c 8 /dev/zero | dd of={KERNEL} bs=1 seek=$((header + 168)) conv=notrunc status=none
"""
#: the kernel's own code, as good as any, for which nobody has signed
WITH_OTHER_BYTES = f"printf changed | dd of={KERNEL} bs=1 seek=4000000 conv=notrunc status=none"


@pytest.fixture(autouse=True)
def _only_there(cell):
    if cell.firmware is not Firmware.OVMF_SECBOOT:
        pytest.skip("for FIRMWARE=ovmf-secboot alone")


def test_the_kernel_is_locked_down(standing_guest):
    assert "[integrity]" in sh(standing_guest, "cat /sys/kernel/security/lockdown")


def test_kexec_file_load_starts_the_kernel_that_is_signed(standing_guest):
    verdict = standing_guest.reboot("kexec-file-load")
    assert (verdict.outcome, verdict.path) == ("pass", "kexec"), verdict.reason
    assert "[integrity]" in sh(standing_guest, "cat /sys/kernel/security/lockdown")


def test_kexec_load_is_refused(standing_guest):
    verdict = standing_guest.reboot("kexec-classic-load")
    assert (verdict.failure_class, verdict.path) == (FailureClass.LOAD_REFUSED, "firmware"), verdict.reason
    assert "kexec_load: EPERM" in verdict.reason


@pytest.mark.parametrize("spoil", [WITHOUT_SIGNATURE, WITH_OTHER_BYTES], ids=["unsigned", "changed"])
def test_a_kernel_without_a_valid_signature_is_refused(standing_guest, spoil):
    guest = standing_guest
    sh(guest, f"cp -L /vmlinuz {KERNEL}\n{spoil}")
    configure(guest, f"KERNEL={KERNEL}", "INITRD=/initrd.img")
    verdict = guest.reboot("kexec")
    deconfigure(guest)
    assert (verdict.failure_class, verdict.path) == (FailureClass.LOAD_REFUSED, "firmware"), verdict.reason
    assert "kexec_file_load: EPERM" in verdict.reason
    assert "kernel lockdown allows no other way" in verdict.reason
