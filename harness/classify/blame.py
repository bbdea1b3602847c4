"""Where to look first: whose doing a failure of each class is, as far as its evidence tells.

A convention, not a proof: a hang between the kernels may be the fault of either, and the new one is the one that
does not speak. `docs/verdicts.md` says for each class why.
"""

from __future__ import annotations

from harness.model import Blame, FailureClass, Stage

_BY_CLASS: dict[FailureClass, Blame] = {
    FailureClass.NO_REBOOT: Blame.USERSPACE,
    FailureClass.LOAD_REFUSED: Blame.LOADER,
    FailureClass.STOOD_ASIDE: Blame.LOADER,
    FailureClass.SHUTDOWN_HANG: Blame.USERSPACE,
    FailureClass.DEVICE_SHUTDOWN_HANG: Blame.OUTGOING_KERNEL,
    FailureClass.OUTGOING_KERNEL_CRASH: Blame.OUTGOING_KERNEL,
    FailureClass.POWERED_OFF: Blame.USERSPACE,
    FailureClass.FELL_BACK_TO_FIRMWARE: Blame.LOADER,
    FailureClass.UNEXPECTED_KEXEC: Blame.LOADER,
    FailureClass.UNEXPECTED_SOFT_REBOOT: Blame.USERSPACE,
    FailureClass.INITRAMFS_UNPACK: Blame.LOADER,
    FailureClass.WRONG_KERNEL: Blame.LOADER,
    FailureClass.INITRAMFS_SHELL: Blame.USERSPACE,
    FailureClass.FSCK_FAILED: Blame.USERSPACE,
    FailureClass.EMERGENCY_MODE: Blame.USERSPACE,
    FailureClass.DEGRADED: Blame.USERSPACE,
    FailureClass.QEMU_ABORT: Blame.HOST,
    FailureClass.QEMU_HANG: Blame.HOST,
    FailureClass.KVM_INTERNAL_ERROR: Blame.HOST,
    FailureClass.PROOF_CONFLICT: Blame.USERSPACE,
    FailureClass.INFRASTRUCTURE: Blame.HARNESS,
    FailureClass.INTERRUPTED: Blame.HARNESS,
}

#: for the classes that can happen anywhere: whoever was at work
_BY_STAGE: dict[Stage, Blame] = {
    Stage.SHUTDOWN: Blame.USERSPACE,
    Stage.DEVICE_SHUTDOWN: Blame.OUTGOING_KERNEL,
    Stage.HANDOFF: Blame.INCOMING_KERNEL,
    Stage.KERNEL: Blame.INCOMING_KERNEL,
    Stage.INITRD: Blame.USERSPACE,
    Stage.USERSPACE: Blame.USERSPACE,
    Stage.UP: Blame.USERSPACE,
}
_KERNEL_AT_WORK = {
    FailureClass.KERNEL_OOPS,
    FailureClass.KERNEL_WARNING,
    FailureClass.SOFT_LOCKUP,
    FailureClass.HARD_LOCKUP,
    FailureClass.RCU_STALL,
    FailureClass.HUNG_TASK,
}
_WHEREVER = {FailureClass.NO_READY, FailureClass.SLOW, FailureClass.UNEXPECTED_RESET, FailureClass.REBOOT_LOOP}


def blame(failure_class: FailureClass, stage: Stage, *, of_old_kernel: bool = False) -> Blame:
    """Whose doing a failure is. `of_old_kernel`: the text that tells it is the old kernel's."""
    if failure_class in _KERNEL_AT_WORK and of_old_kernel:
        return Blame.OUTGOING_KERNEL
    if failure_class in _WHEREVER:
        return _BY_STAGE[stage]
    return _BY_CLASS.get(failure_class, Blame.INCOMING_KERNEL)
