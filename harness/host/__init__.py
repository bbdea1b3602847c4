"""What this host can do: programs, QEMU, accelerator, firmware. Nothing is looked at before it is asked for."""

from harness.host.accel import AccelChoice, ProbeResult, boot_probe, probe_accel
from harness.host.doctor import Finding, Status, doctor
from harness.host.firmware import FirmwareFiles, firmware_files, seabios_for
from harness.host.qemu import QemuBinary, find_qemu, offers
from harness.host.tools import find_tool, missing_packages, tools
from harness.host.tsc import tsc_khz

__all__ = [
    "AccelChoice",
    "Finding",
    "FirmwareFiles",
    "ProbeResult",
    "QemuBinary",
    "Status",
    "boot_probe",
    "doctor",
    "find_qemu",
    "find_tool",
    "firmware_files",
    "missing_packages",
    "offers",
    "probe_accel",
    "seabios_for",
    "tools",
    "tsc_khz",
]
