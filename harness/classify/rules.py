"""Ordered tables of console text: what marks a milestone, what decides a cycle.

`KERNEL` is how a line of the kernel's log starts: the time since boot in brackets, perhaps a caller id, at the
start of the console's line or behind what a program had printed on it. Text that a program prints has no such
time before it, and a program that writes to the kernel's log has its own words between the time and the text.
"""

from __future__ import annotations

import re

from msgspec import Struct

from harness.model import FailureClass, Milestone

KERNEL = r"\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? "


class MilestoneRule(Struct, frozen=True):
    """Text that shows that a reboot has come as far as `milestone`."""

    milestone: Milestone
    pattern: re.Pattern[str]


class FatalRule(Struct, frozen=True):
    """Text after which this boot will not come up: the cycle ends at once."""

    name: str
    failure_class: FailureClass
    pattern: re.Pattern[str]
    #: one sentence; `{line}` stands for the console's line
    reason: str


#: In the order of a reboot. Sources: systemd src/shutdown/shutdown.c, Linux kernel/kexec_core.c,
#: kernel/reboot.c, init/main.c, GRUB's kern/main.c and normal/menu.c, EDK II's BdsDxe.
MILESTONES: tuple[MilestoneRule, ...] = (
    MilestoneRule(
        Milestone.SHUTDOWN_DONE,
        re.compile(
            KERNEL + r"(?:systemd-shutdown\[1\]: (?:All filesystems, swaps, loop devices|Rebooting\.)"
            r"|kexec-load: executing the loaded kernel|reboot: Restarting system)"
        ),
    ),
    MilestoneRule(Milestone.HANDOFF, re.compile(KERNEL + r"kexec_core: Starting new kernel")),
    MilestoneRule(Milestone.FIRMWARE, re.compile(r"^(?:SeaBIOS \(version|BdsDxe: )")),
    MilestoneRule(Milestone.LOADER, re.compile(r"(?:GRUB loading|Welcome to GRUB!|^ *Booting `|Loading Linux \S)")),
    MilestoneRule(Milestone.KERNEL, re.compile(r"\[    0\.000000\](?:\[ *T0\])? Linux version \d")),
    MilestoneRule(Milestone.INIT, re.compile(KERNEL + r"Run /\S+ as init process")),
    MilestoneRule(Milestone.SYSTEMD, re.compile(KERNEL + r"systemd\[1\]: systemd \d\S* running in system mode")),
)

FATAL: tuple[FatalRule, ...] = (
    FatalRule(
        "kernel-panic",
        FailureClass.KERNEL_PANIC,
        re.compile(KERNEL + r"Kernel panic - not syncing"),
        "the kernel panicked: {line}",
    ),
    FatalRule(
        "initramfs-no-root",
        FailureClass.INITRAMFS_SHELL,
        re.compile(r"^ALERT! .*Dropping to a shell!"),
        "the initramfs did not find the root file system: {line}",
    ),
    FatalRule(
        "initramfs-shell",
        FailureClass.INITRAMFS_SHELL,
        re.compile(r"^BusyBox v\d\S* .*built-in shell \(ash\)"),
        "the initramfs gave a shell instead of the root file system",
    ),
    FatalRule(
        "emergency-mode",
        FailureClass.EMERGENCY_MODE,
        re.compile(r"^You are in (?:emergency|rescue) mode\. After logging in"),
        "systemd gave up the boot: {line}",
    ),
)

#: what kexec-load says of its own decision, for the reason of a silent fallback
KEXEC_LOAD = re.compile(
    KERNEL + r"kexec-load: (?P<said>(?:standing aside|load failed|kexec_file_load refused|kexec --exec).*)"
)
