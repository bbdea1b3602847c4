"""Proof of path: what each independent channel says of how the new kernel was started.

| channel | whose word | says kexec when | says firmware when |
|---|---|---|---|
| qmp-reset | QEMU's | the machine was not reset | it was |
| firmware-output | the firmware's, through a port of its own | it kept silent | it printed |
| bootloader-type | the new kernel's | the boot loader's type is kexec's | it is any other |
| command-line | the new kernel's | it carries this cycle's nonce | it carries none (see below) |
| kernel-log | the old kernel's | it said that it starts the loaded kernel | it said that it restarts the machine |
| boot-id | the running kernel's | cannot tell; contradicts if it is the old one | |

At least one channel outside the guest and one of the new kernel must agree, and none may contradict: that nothing
was seen to reset is no proof while the kernel keeps silent, and a kernel alone may lie. A channel that cannot tell
(a firmware that never prints, an architecture without the number) abstains. So does a command line without a nonce,
where none was to be and the boot loader's type is kexec's: whoever else executes a kernel knows no nonce.
"""

from __future__ import annotations

from harness.classify.milestones import Progress
from harness.model import BootPath, Expectation, Milestone, Proof
from harness.model.architectures import ARCHITECTURES


def prove(progress: Progress, expectation: Expectation) -> tuple[BootPath, tuple[Proof, ...]]:
    """The path as far as it is proven, and what each channel said."""
    if progress.ready is None:
        return BootPath.NONE, (_qmp_reset(progress),)
    outside = (_qmp_reset(progress), _firmware_output(progress, expectation))
    bootloader_type = _bootloader_type(progress, expectation.arch)
    anothers = expectation.path is BootPath.FIRMWARE and bootloader_type.path is BootPath.KEXEC
    kernels = (bootloader_type, _command_line(progress, expectation.nonce, anothers_kexec=anothers))
    proofs = (*outside, *kernels, _kernel_log(progress), _boot_id(progress, expectation.boot_id_before))
    paths = {proof.path for proof in proofs if proof.path is not None}
    if len(paths) > 1:
        return BootPath.CONFLICT, proofs
    if all(proof.path is None for proof in kernels):
        return BootPath.NONE, proofs
    return paths.pop(), proofs


def _qmp_reset(progress: Progress) -> Proof:
    count = len(progress.resets)
    path = BootPath.FIRMWARE if count else BootPath.KEXEC
    return Proof("qmp-reset", path, f"{count} reset{'' if count == 1 else 's'} of the machine")


def _firmware_output(progress: Progress, expectation: Expectation) -> Proof:
    if progress.firmware_spoke:
        return Proof("firmware-output", BootPath.FIRMWARE, "the firmware printed on its debug port")
    arch = ARCHITECTURES.get(expectation.arch)
    if arch is not None and expectation.firmware in arch.talkative_firmware:
        return Proof("firmware-output", BootPath.KEXEC, "the firmware kept silent")
    return Proof("firmware-output", None, f"{expectation.firmware.value} prints nothing on the debug port")


def _bootloader_type(progress: Progress, arch: str) -> Proof:
    found = (progress.ready or {}).get("bootloader_type")
    kexec = ARCHITECTURES[arch].kexec_bootloader_type if arch in ARCHITECTURES else None
    if kexec is None or not isinstance(found, int):
        return Proof("bootloader-type", None, "the kernel does not say")
    path = BootPath.KEXEC if found == kexec else BootPath.FIRMWARE
    return Proof("bootloader-type", path, f"bootloader_type is {found}")


def _command_line(progress: Progress, nonce: str, *, anothers_kexec: bool) -> Proof:
    found = (progress.ready or {}).get("cmdline_nonce")
    asked = progress.identity.cmdline_nonce if progress.identity else None
    if asked is not None and isinstance(found, str) and asked != found:
        return Proof("command-line", BootPath.CONFLICT, "the report and the running system tell two command lines")
    if found == nonce:
        return Proof("command-line", BootPath.KEXEC, "the command line carries this cycle's nonce")
    if found == "":
        path = None if anothers_kexec else BootPath.FIRMWARE
        return Proof("command-line", path, "the command line carries no nonce")
    if isinstance(found, str):
        return Proof("command-line", BootPath.CONFLICT, "the command line carries another cycle's nonce")
    return Proof("command-line", None, "the guest does not say")


def _kernel_log(progress: Progress) -> Proof:
    if progress.jumped_at is not None:
        return Proof("kernel-log", BootPath.KEXEC, "the old kernel said that it starts the loaded one")
    if progress.console.restarted:
        return Proof("kernel-log", BootPath.FIRMWARE, "the old kernel said that it restarts the machine")
    return Proof("kernel-log", None, "the old kernel said neither")


def _boot_id(progress: Progress, before: str) -> Proof:
    if progress.identity is not None and progress.identity.boot_id == before:
        return Proof("boot-id", BootPath.CONFLICT, "the system that answers is the one that was to reboot")
    new = Milestone.KERNEL in progress.at
    return Proof("boot-id", None, "a new one, which either way gives" if new else "unknown")
