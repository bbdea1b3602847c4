"""Small reboots for tests: the events of a cycle, a line each, to be changed by the test that uses them."""

from __future__ import annotations

from harness.model import (
    AgentMessage,
    BootPath,
    CommandSent,
    ConsoleData,
    EndReason,
    Event,
    Evidence,
    Expectation,
    Firmware,
    FirmwareData,
    Loader,
    ProcessExit,
    QmpEvent,
)

NONCE = "0123456789abcdef"
KERNEL = "6.12.0-amd64"


def text(t: float, line: str) -> ConsoleData:
    return ConsoleData(t, line + "\r\n")


def reset(t: float) -> QmpEvent:
    return QmpEvent(t, "RESET", {"guest": True, "reason": "guest-reset"})


def ready(t: float, **changes: object) -> AgentMessage:
    body = {
        "type": "ready",
        "boot_id": "new",
        "state": "running",
        "nonce": NONCE,
        "cmdline_nonce": "",
        "kernel_release": KERNEL,
        "bootloader_type": 114,
        "failed_units": [],
    }
    return AgentMessage(t, {**body, **changes})


TRIGGER = CommandSent(100.0, 5, "trigger", "systemctl reboot")
SHUTDOWN = [
    text(
        103.0,
        "[   20.000001] systemd-shutdown[1]: All filesystems, swaps, loop devices, MD devices and DM devices detached.",
    ),
]
JUMP = [
    text(103.5, "[   20.100000] kexec-load: executing the loaded kernel"),
    text(104.0, "[   20.200000] kexec_core: Starting new kernel"),
]
THROUGH_FIRMWARE = [
    text(103.9, "[   20.100000] reboot: Restarting system"),
    reset(104.0),
    reset(104.02),
    FirmwareData(104.1, "SeaBIOS (version 1.16.2)\n"),
    text(105.0, "  Booting `Debian GNU/Linux'"),
]
BOOT = [
    text(107.0, "[    0.000000] Linux version 6.12.0-amd64 (debian-kernel@lists.debian.org)"),
    text(110.0, "[    2.500000] Run /init as init process"),
    text(114.0, "[    6.300000] systemd[1]: systemd 257.13-1 running in system mode (+PAM)"),
]


def kexec(nonce: str = NONCE) -> list[Event]:
    """A kexec that goes well: 20 s in all."""
    return [TRIGGER, *SHUTDOWN, *JUMP, *BOOT, ready(120.0, bootloader_type=208, cmdline_nonce=nonce)]


def cold() -> list[Event]:
    """A cold reboot that goes well: 22 s in all."""
    return [TRIGGER, *SHUTDOWN, *THROUGH_FIRMWARE, *BOOT, ready(122.0)]


def power_cycle() -> list[Event]:
    """A power cycle that goes well: the guest switches itself off, the host switches it on again."""
    off = QmpEvent(104.0, "SHUTDOWN", {"guest": True, "reason": "guest-shutdown"})
    on = QmpEvent(104.1, "RESET", {"guest": False, "reason": "host-qmp-system-reset"})
    said = text(103.9, "[   20.100000] reboot: Power down")
    return [TRIGGER, *SHUTDOWN, said, off, on, *THROUGH_FIRMWARE[3:], *BOOT, ready(122.0)]


def soft_reboot() -> list[Event]:
    """A soft reboot that goes well, 15 s in all: the kernel has been up for 200 s, systemd starts anew 5 s later."""
    trigger = CommandSent(100.0, 5, "trigger", "systemctl soft-reboot")
    systemd = text(105.0, "[  205.000000] systemd[1]: systemd 257.13-1 running in system mode (+PAM)")
    up = ready(115.0, boot_id="old", uptime_s=214.9, userspace_usec=204_900_000)
    return [trigger, text(101.0, "[  OK  ] Reached target soft-reboot.target."), systemd, up]


def died(t: float, status: int, stderr: str = "") -> ProcessExit:
    return ProcessExit(t, status, stderr)


def evidence(
    events: list[Event],
    method: str = "kexec",
    ended_by: EndReason = EndReason.READY,
    firmware: Firmware = Firmware.SEABIOS,
    **more: object,
) -> Evidence:
    expectation = Expectation(
        method=method,
        path={"kexec": BootPath.KEXEC, "soft-reboot": BootPath.SOFT}.get(method, BootPath.FIRMWARE),
        arch="x86_64",
        firmware=firmware,
        loader=Loader.GRUB,
        nonce=NONCE,
        boot_id_before="old",
        kernel_before=KERNEL,
        kernel_expected=KERNEL,
        power_cycle=method == "power-cycle",
    )
    return Evidence(expectation=expectation, events=tuple(events), ended_by=ended_by, **more)
