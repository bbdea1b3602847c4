"""What a kernel that secure boot has locked down lets kexec load: `make scenarios SELECT=secboot K=secure_boot`.

Under secure boot IMA refuses kexec_load, and has kexec_file_load take signed kernels only (ima_main.c and ima_efi.c in
security/integrity/ima): each refusal says what is wrong with the image, as kernel/kexec_file.c found it.
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
    assert "kexec_load: EACCES" in verdict.reason


@pytest.mark.parametrize(
    ("spoil", "error"),
    [(WITHOUT_SIGNATURE, "ENODATA, the kernel has no signature"), (WITH_OTHER_BYTES, "EKEYREJECTED")],
    ids=["unsigned", "changed"],
)
def test_a_kernel_without_a_valid_signature_is_refused(standing_guest, spoil, error):
    guest = standing_guest
    sh(guest, f"cp -L /vmlinuz {KERNEL}\n{spoil}")
    configure(guest, f"KERNEL={KERNEL}", "INITRD=/initrd.img")
    verdict = guest.reboot("kexec")
    deconfigure(guest)
    assert (verdict.failure_class, verdict.path) == (FailureClass.LOAD_REFUSED, "firmware"), verdict.reason
    assert f"kexec_file_load: {error}" in verdict.reason
    assert "kernel lockdown allows no other way" in verdict.reason
