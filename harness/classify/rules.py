"""Ordered tables of console text: what marks a milestone, what ends a boot, what explains one that does not come up.

A kernel message is what follows the time since boot in brackets (and perhaps a caller's id), at the start of the
console's line or behind what a program had printed on it. Text that a program prints has no such time before it, a
program that writes to the kernel's log has its own name between the time and the text, and a syslog line has
`kernel: ` before the time.

Sources: systemd src/shutdown and src/core/manager.c, Linux kernel/kexec_core.c, kernel/reboot.c, kernel/panic.c,
kernel/watchdog.c, kernel/rcu/tree_stall.h, kernel/hung_task.c, init/main.c, init/do_mounts.c, init/initramfs.c,
arch/x86/boot/compressed/misc.c, initramfs-tools' scripts/functions and scripts/local, dracut's dracut-lib.sh, GRUB's
kern/main.c and normal/menu.c, EDK II's BdsDxe, and for oopses arch/{arm,arm64,riscv,powerpc,s390}'s traps.c.
"""

from __future__ import annotations

import re

from msgspec import Struct

from harness.model import Confidence, FailureClass, Milestone, Stage

KERNEL_MESSAGE = re.compile(r"(?<!kernel: )\[ *(?P<time>\d+\.\d{6})\](?:\[ *[TC]\d+\])? ")


class MilestoneRule(Struct, frozen=True):
    """Text that shows that a reboot has come as far as `milestone`."""

    milestone: Milestone
    pattern: re.Pattern[str]
    #: whether the pattern is held against a kernel message, from its start; else against the whole line
    kernel: bool = True


class TextRule(Struct, frozen=True):
    """Text that says how a boot went wrong."""

    name: str
    failure_class: FailureClass
    pattern: re.Pattern[str]
    #: one sentence; `{line}` stands for the console's line
    reason: str
    kernel: bool = True
    #: the stages in which it means that; None: in every one
    stages: frozenset[Stage] | None = None
    #: text that only a boot can print which had not ended
    refuted_by: re.Pattern[str] | None = None
    confidence: Confidence = Confidence.HIGH


#: what firmware says on a serial line: SeaBIOS, EDK II, iPXE, U-Boot, Trusted Firmware-A, OpenSBI, SLOF, coreboot, and
#: the power-on screens of servers (AMI, Dell, HPE, Lenovo, Phoenix, Insyde). Only at a line's start: a kernel names
#: the same makers' devices.
FIRMWARE_TEXT = re.compile(
    r"^\W*(?:SeaBIOS \(version|BdsDxe: |UEFI firmware \(version|iPXE (?:\(|\d|initialising)|U-Boot (?:SPL |TPL |\d)"
    r"|NOTICE: {1,4}(?:BL\d|Booting Trusted Firmware)|OpenSBI v\d|SLOF \*\*|coreboot-\d|Petitboot \("
    r"|Booting from (?:Hard Disk|ROM|DVD|Floppy|CD)|PXE-[EM]\d\d|>>(?:Start PXE|Checking Media)|UEFI Interactive Shell"
    r"|(?:Version \S+ )?Copyright \([Cc]\) .{0,40}(?:American Megatrends|Phoenix Technologies|Insyde)"
    r"|American Megatrends|AMIBIOS|Phoenix(?:BIOS| SecureCore| TrustedCore)|InsydeH2O"
    r"|Press <?(?:DEL|ESC|F\d{1,2})>?,? .{0,40}(?:[Ss]etup|SETUP|[Bb]oot)|Hit any key to stop autoboot"
    r"|KEY MAPPING FOR CONSOLE REDIRECTION|F\d{1,2} = (?:System Setup|Lifecycle|Boot|BIOS|PXE)|Lifecycle Controller: "
    r"|(?:HPE? )?ProLiant (?:System BIOS|\w+ Gen\d)|System x Server Firmware)"
)
LOADER_TEXT = re.compile(
    r"(?:GRUB loading|Welcome to GRUB!|^ *Booting `|Loading Linux \S|^\W*GNU GRUB  version|^\W*systemd-boot \d"
    r"|^\W*(?:ISO|SYS|EXT|PXE)LINUX \d|^## Booting kernel from|^Starting kernel \.\.\.)"
)

#: In the order of a reboot.
MILESTONES: tuple[MilestoneRule, ...] = (
    MilestoneRule(
        Milestone.SHUTDOWN_DONE,
        re.compile(
            r"systemd-shutdown\[1\]: (?:All filesystems, swaps, loop devices|Rebooting\.|Rebooting with kexec)"
            r"|kexec-load: executing the loaded kernel|reboot: Restarting system"
        ),
    ),
    MilestoneRule(Milestone.HANDOFF, re.compile(r"(?:kexec(?:_core)?: )?Starting new kernel")),
    MilestoneRule(Milestone.FIRMWARE, FIRMWARE_TEXT, kernel=False),
    MilestoneRule(Milestone.LOADER, LOADER_TEXT, kernel=False),
    MilestoneRule(Milestone.KERNEL, re.compile(r"Linux version \d")),
    MilestoneRule(Milestone.INIT, re.compile(r"Run /\S+ as init process")),
    MilestoneRule(Milestone.SYSTEMD, re.compile(r"systemd\[1\]: systemd \d\S* running in system mode")),
)

#: the old system's last act in userspace: whatever hangs after it, hangs in the kernel
LEFT_USERSPACE = re.compile(
    r"kexec-load: executing the loaded kernel|systemd-shutdown\[1\]: Rebooting|reboot: Restarting system"
)

#: what a system prints that runs: no kernel that has panicked lets anybody print it
RUNS = re.compile(
    r"^\[  OK  \] |\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? systemd(?:-[a-z]+)?\[\d+\]: |^\S+ login: "
    r"|^(?:[a-z_][\w.-]{0,31}@[\w.-]{1,64}:[^#$]{0,80}|\[[a-z_][\w.-]{0,31}@[\w.-]{1,64} [^]]{0,80}\])[#$](?: |$)"
)
_USERSPACE_STARTS = re.compile(r"systemd\[1\]: systemd \d\S* running in system mode|^\S+ login: ")
COMES_UP = re.compile(r"Reached target .{0,200}(?:[Mm]ulti-[Uu]ser|[Gg]raphical)|^\S+ login: ")

# A quiet kernel does not say when it starts the initramfs, and with dracut systemd runs in it already.
_INITRD = frozenset({Stage.KERNEL, Stage.INITRD})
_DRACUT = frozenset({Stage.KERNEL, Stage.INITRD, Stage.USERSPACE})
_BETWEEN = frozenset({Stage.HANDOFF})
_BOOTING = frozenset({Stage.INITRD, Stage.USERSPACE, Stage.UP})


def _panic(name: str, failure_class: FailureClass, said: str, meaning: str) -> TextRule:
    return TextRule(
        name,
        failure_class,
        re.compile(r"Kernel panic - not syncing: " + said),
        meaning + ": {line}",
        refuted_by=RUNS,
    )


def _initramfs(
    name: str, failure_class: FailureClass, pattern: str, reason: str, stages: frozenset[Stage] = _INITRD
) -> TextRule:
    return TextRule(
        name, failure_class, re.compile(pattern), reason, kernel=False, stages=stages, refuted_by=_USERSPACE_STARTS
    )


#: Text after which this boot will not come up: the cycle ends at once. The first rule that a line matches has it.
ENDINGS: tuple[TextRule, ...] = (
    _panic(
        "panic-no-root",
        FailureClass.ROOT_MOUNT_FAILED,
        r"(?:VFS: Unable to mount root fs|Unable to mount root fs)",
        "the kernel could not mount a root file system",
    ),
    _panic("panic-hung-task", FailureClass.HUNG_TASK, r"hung_task: blocked tasks", "a task hung"),
    _panic("panic-soft-lockup", FailureClass.SOFT_LOCKUP, r"softlockup: hung tasks", "a CPU was stuck"),
    _panic("panic-hard-lockup", FailureClass.HARD_LOCKUP, r"(?:Watchdog detected )?[Hh]ard LOCKUP", "a CPU was stuck"),
    _panic("panic-rcu-stall", FailureClass.RCU_STALL, r"RCU Stall", "an RCU grace period did not end"),
    # Whatever else it says; EARLY_PANIC before userspace's first program, OUTGOING_KERNEL_CRASH in the old kernel.
    _panic("kernel-panic", FailureClass.KERNEL_PANIC, r"", "the kernel panicked"),
    TextRule(
        "decompressor-halted",
        FailureClass.HANG_BEFORE_KERNEL,
        re.compile(r"^ *-- System halted"),
        "the kernel's decompressor gave up",
        kernel=False,
        stages=_BETWEEN,
    ),
    TextRule(
        "loader-cannot-boot",
        FailureClass.HANG_BEFORE_KERNEL,
        re.compile(
            r"^(?:grub rescue> |No bootable device\.|Boot failed: |error: (?:file|you need to load the kernel))"
        ),
        "the firmware or the boot loader found nothing to boot: {line}",
        kernel=False,
        stages=_BETWEEN,
    ),
    _initramfs(
        "initramfs-fsck",
        FailureClass.FSCK_FAILED,
        r"^(?:The root filesystem on \S+ requires a manual fsck|fsck exited with status code (?:4|8|12)\b)",
        "the check of the root file system failed: {line}",
    ),
    _initramfs(
        "initramfs-no-root",
        FailureClass.ROOT_NOT_FOUND,
        r"^ALERT! .*(?:does not exist|Dropping to a shell!)",
        "the initramfs did not find the root file system: {line}",
    ),
    _initramfs(
        "dracut-no-root",
        FailureClass.ROOT_NOT_FOUND,
        r"(?:dracut-initqueue\[\d+\]: Warning: (?:/dev/\S+ does not exist|Could not boot)"
        r"|^Warning: /dev/\S+ does not exist$)",
        "the initramfs did not find the root file system: {line}",
        _DRACUT,
    ),
    _initramfs(
        "initramfs-root-mount",
        FailureClass.ROOT_MOUNT_FAILED,
        r"^(?:mount: mounting \S+ on /root failed|Failed to mount \S+ as root file system)",
        "the initramfs could not mount the root file system: {line}",
    ),
    _initramfs(
        "initramfs-no-init",
        FailureClass.INITRAMFS_SHELL,
        r"^(?:No init found\. Try passing init=|Target filesystem doesn't have requested )",
        "the initramfs found no init on the root file system: {line}",
    ),
    _initramfs(
        "initramfs-shell",
        FailureClass.INITRAMFS_SHELL,
        r"^(?:BusyBox v\d\S* .*built-in shell \(ash\)|\(initramfs\) ?)",
        "the initramfs gave a shell instead of the root file system",
    ),
    _initramfs(
        "dracut-shell",
        FailureClass.INITRAMFS_SHELL,
        r"Generating \"/run/initramfs/rdsosreport\.txt\"",
        "the initramfs gave a shell instead of the root file system",
        _DRACUT,
    ),
    TextRule(
        "emergency-mode",
        FailureClass.EMERGENCY_MODE,
        re.compile(
            r"^You are in (?:emergency|rescue) mode\. After logging in"
            r"|^Cannot open access to console, the root account is locked\."
        ),
        "systemd gave up the boot: {line}",
        kernel=False,
        stages=_BOOTING,
        refuted_by=COMES_UP,
    ),
    TextRule(
        "systemd-froze",
        FailureClass.NO_READY,
        re.compile(r"(?:\[!!!!!!\] .*freezing\.$|systemd\[1\]: Freezing execution\.)"),
        "systemd could not go on: {line}",
        kernel=False,
        stages=_BOOTING,
        refuted_by=COMES_UP,
    ),
)

#: Text that a boot can survive. In one that comes up, an oops or a warning counts if no cold boot of this cell shows
#: it; in one that does not, the worst explains it. Worst first.
SYMPTOMS: tuple[TextRule, ...] = (
    TextRule(
        "oops",
        FailureClass.KERNEL_OOPS,
        re.compile(
            r"BUG: (?:kernel NULL pointer dereference|[Uu]nable to handle|KASAN|Bad page|scheduling while atomic"
            r"|sleeping function called from invalid context)"
            r"|kernel BUG at |Oops: |Unable to handle kernel |general protection fault, (?:probably|maybe)"
            r"|general protection fault: |invalid opcode: |divide error: |stack segment: |traps: PANIC: double fault"
            # arm and arm64; RISC-V, LoongArch, MIPS and others that number their oopses; s390
            r"|Internal error: .{1,120}\[#\d+\]|(?:Oops|Kernel BUG)(?: - .{1,80})?\s?\[#\d+\]"
            r"|[a-z][a-z -]{2,60}: [0-9a-f]{4} ilc:\d \[#\d+\]"
        ),
        "the kernel oopsed: {line}",
    ),
    TextRule(
        "hard-lockup",
        FailureClass.HARD_LOCKUP,
        re.compile(r"(?:NMI )?watchdog: Watchdog detected hard LOCKUP"),
        "a CPU was stuck with interrupts off: {line}",
    ),
    TextRule(
        "soft-lockup",
        FailureClass.SOFT_LOCKUP,
        re.compile(r"watchdog: BUG: soft lockup - CPU#"),
        "a CPU was stuck: {line}",
    ),
    TextRule(
        "workqueue-lockup",
        FailureClass.SOFT_LOCKUP,
        re.compile(r"BUG: workqueue lockup - pool"),
        "work that was queued on a CPU was not done: {line}",
    ),
    TextRule(
        "rcu-stall",
        FailureClass.RCU_STALL,
        re.compile(r"rcu: INFO: rcu_\w+ (?:self-)?detected (?:expedited )?stall"),
        "an RCU grace period did not end: {line}",
    ),
    TextRule(
        "hung-task",
        FailureClass.HUNG_TASK,
        re.compile(r"INFO: task .{1,80} blocked(?: in I/O wait)? for more than \d+ seconds"),
        "a task hung: {line}",
    ),
    TextRule(
        "warning",
        FailureClass.KERNEL_WARNING,
        re.compile(r"WARNING: (?:CPU: \d+ PID: \d+ at |\S+:\d+ at )"),
        "the kernel warned: {line}",
    ),
    TextRule(
        "initramfs-unpack",
        FailureClass.INITRAMFS_UNPACK,
        re.compile(r"Initramfs unpacking failed: |/initrd\.image: incomplete write|rootfs image is not initramfs"),
        "the initrd could not be unpacked: {line}",
    ),
    TextRule(
        "fsck",
        FailureClass.FSCK_FAILED,
        re.compile(
            r"systemd-fsck\[\d+\]: .*(?:UNEXPECTED INCONSISTENCY|RUN fsck MANUALLY)"
            # A log without carriage returns has the progress of the check before it.
            r"|(?:^|% complete\S{1,3} *)\[FAILED\] Failed to start .*(?:systemd-fsck|File System Check on )"
            r"|systemd\[1\]: Failed to start .*(?:systemd-fsck|File System Check on )"
        ),
        "the check of a file system failed: {line}",
        kernel=False,
    ),
    TextRule(
        "halted",
        FailureClass.POWERED_OFF,
        re.compile(r"reboot: (?:System halted|Power down)"),
        "the machine was switched off or halted instead of rebooted: {line}",
    ),
)

#: who holds up a shutdown, by their own words
HOLDERS = (
    re.compile(r"A stop job is running for (?P<who>.+?) \("),
    re.compile(r"systemd-shutdown\[1\]: Waiting for process: (?P<who>.+)"),
    re.compile(r"systemd-shutdown\[1\]: (?:Failed to unmount|Could not (?:detach|unmount)) (?P<who>[^:]+)"),
    re.compile(r"INFO: task (?P<who>\S+?):\d+ blocked for more than"),
    re.compile(r"Failed to unmount (?P<who>/\S+)"),
)

#: what kexec-load says of its own decision, for the reason of a fallback
KEXEC_LOAD = re.compile(r"kexec-load: (?P<said>(?:standing aside|load failed|kexec_file_load refused|kexec --exec).*)")

#: the old kernel, or whichever runs, says that it restarts the machine
RESTART = re.compile(r"reboot: (?:Restarting system|machine restart)")


#: what a kernel goes on to say once it has panicked (kernel/panic.c, lib/dump_stack.c)
PANIC_GOES_ON = re.compile(
    r"CPU: \d+ |Call Trace:|Hardware name: |Kernel Offset: |Rebooting in \d+ seconds|Shutting down cpus"
    r"|---\[ end Kernel panic|Dumping ftrace"
)


def _kernel_words() -> re.Pattern[str]:
    milestones = [rule.pattern for rule in MILESTONES if rule.kernel]
    trouble = [rule.pattern for rule in (*ENDINGS, *SYMPTOMS) if rule.kernel]
    patterns = (*milestones, *trouble, LEFT_USERSPACE, RESTART, KEXEC_LOAD, PANIC_GOES_ON)
    return re.compile("|".join(f"(?:{pattern.pattern})" for pattern in patterns))


def _plain_by_stage(rules: tuple[TextRule, ...]) -> dict[Stage, tuple[TextRule, ...]]:
    plain = [rule for rule in rules if not rule.kernel]
    return {stage: tuple(rule for rule in plain if rule.stages is None or stage in rule.stages) for stage in Stage}


#: kernel messages that some rule could match; whatever does not match needs no closer look
KERNEL_WORDS = _kernel_words()
#: the rules for whole lines that apply in each stage, in their order
PLAIN_ENDINGS = _plain_by_stage(ENDINGS)
PLAIN_SYMPTOMS = _plain_by_stage(SYMPTOMS)
