"""Proof of path: what each independent channel says of how the new kernel was started.

| channel | whose word | says kexec when | says firmware when |
|---|---|---|---|
| qmp-reset | QEMU's | the machine was not reset | it was |
| firmware-output | the firmware's, through a port of its own | it kept silent | it printed |
| bootloader-type | the new kernel's | the boot loader's type is kexec's | it is any other |
| command-line | the new kernel's | it carries this cycle's nonce | it carries none (see below) |
| kernel-log | the old kernel's | it said that it starts the loaded kernel | it said that it restarts the machine |
| boot-id | the running kernel's | cannot tell; contradicts if it is the old one | |

Where the system that is up says that it runs on the old kernel, userspace alone may be new:

| channel | whose word | says soft when | says otherwise when |
|---|---|---|---|
| qmp-reset | QEMU's | the machine was not reset | it was |
| firmware-output | the firmware's | it kept silent | it printed |
| boot-id | the running kernel's | it is the old one | the running system, when asked, has another |
| kernel-uptime | the running kernel's | it runs since before the trigger | it started later |
| userspace-start | systemd's | it started after the trigger | it started before: nothing was rebooted |
| command-line | the running kernel's | cannot tell | it carries this cycle's nonce: a kexec |
| kernel-log | the old kernel's | cannot tell | it said that it jumps, or restarts the machine |

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
    if progress.same_kernel:
        return _prove_soft(progress, expectation)
    outside = (_qmp_reset(progress), _firmware_output(progress, expectation))
    bootloader_type = _bootloader_type(progress, expectation.arch)
    anothers = expectation.path is not BootPath.KEXEC and bootloader_type.path is BootPath.KEXEC
    kernels = (bootloader_type, _command_line(progress, expectation.nonce, anothers_kexec=anothers))
    proofs = (*outside, *kernels, _kernel_log(progress), _boot_id(progress, expectation.boot_id_before))
    return _agreed(proofs, kernels)


def _agreed(proofs: tuple[Proof, ...], guests: tuple[Proof, ...]) -> tuple[BootPath, tuple[Proof, ...]]:
    """The path that all channels which can tell agree on; one of `guests`, the new system's, must be among them."""
    paths = {proof.path for proof in proofs if proof.path is not None}
    if len(paths) > 1:
        return BootPath.CONFLICT, proofs
    if all(proof.path is None for proof in guests):
        return BootPath.NONE, proofs
    return paths.pop(), proofs


def _prove_soft(progress: Progress, expectation: Expectation) -> tuple[BootPath, tuple[Proof, ...]]:
    """The same where no other kernel has reported."""
    outside = (_qmp_reset(progress, BootPath.SOFT), _firmware_output(progress, expectation, BootPath.SOFT))
    userspace = _userspace_start(progress)
    kernel = (_same_boot_id(progress, expectation.boot_id_before), _kernel_uptime(progress))
    line = _command_line(progress, expectation.nonce, anothers_kexec=False)
    if line.path is not BootPath.KEXEC:
        line = Proof("command-line", None, "the kernel's, as it was started")
    return _agreed((*outside, *kernel, userspace, line, _kernel_log(progress)), (userspace,))


def _same_boot_id(progress: Progress, before: str) -> Proof:
    if progress.identity is not None and progress.identity.boot_id != before:
        return Proof("boot-id", BootPath.CONFLICT, "the running system, asked for it, has another one than it reported")
    return Proof("boot-id", BootPath.SOFT, "the one before: the same kernel goes on")


def _kernel_uptime(progress: Progress) -> Proof:
    up, since = _number(progress, "uptime_s"), _since_trigger(progress)
    if up is None or since is None:
        return Proof("kernel-uptime", None, "the guest does not say")
    said = f"up for {up:.0f} s, {since:.0f} s after the trigger"
    return Proof("kernel-uptime", BootPath.SOFT if up > since else BootPath.CONFLICT, said)


def _userspace_start(progress: Progress) -> Proof:
    up, since, microseconds = (
        _number(progress, "uptime_s"),
        _since_trigger(progress),
        _number(progress, "userspace_usec"),
    )
    if up is None or since is None or not microseconds:
        return Proof("userspace-start", None, "the guest does not say")
    # The report was written a moment before it arrived: the trigger seems earlier than it was by no more than that.
    after = microseconds / 1e6 - (up - since)
    if after > 0:
        return Proof("userspace-start", BootPath.SOFT, f"systemd started {after:.1f} s after the trigger")
    return Proof("userspace-start", BootPath.CONFLICT, f"systemd had started {-after:.0f} s before the trigger")


def _since_trigger(progress: Progress) -> float | None:
    at = progress.at
    return at[Milestone.READY] - at[Milestone.TRIGGER] if {Milestone.READY, Milestone.TRIGGER} <= at.keys() else None


def _number(progress: Progress, name: str) -> float | None:
    found = (progress.ready or {}).get(name)
    return (
        float(found) if isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found < 1e15 else None
    )


def _qmp_reset(progress: Progress, otherwise: BootPath = BootPath.KEXEC) -> Proof:
    count = len(progress.resets)
    path = BootPath.FIRMWARE if count else otherwise
    return Proof("qmp-reset", path, f"{count} reset{'' if count == 1 else 's'} of the machine")


def _firmware_output(progress: Progress, expectation: Expectation, otherwise: BootPath = BootPath.KEXEC) -> Proof:
    if progress.firmware_spoke:
        return Proof("firmware-output", BootPath.FIRMWARE, "the firmware printed on its debug port")
    arch = ARCHITECTURES.get(expectation.arch)
    if arch is not None and expectation.firmware in arch.talkative_firmware:
        return Proof("firmware-output", otherwise, "the firmware kept silent")
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
