"""What this host can do, and what follows from it: facts for people and for machines, nothing is printed here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from harness.errors import HarnessError
from harness.host.accel import Request, boot_probe, probe_accel
from harness.host.building import BuildMode, build_mode
from harness.host.firmware import firmware_files
from harness.host.mirror import apt_mirror
from harness.host.qemu import QemuBinary, find_qemu
from harness.host.tools import missing_packages
from harness.model import Accel, Firmware

MIB = 1 << 20
#: what one VM takes of the host: its memory, and QEMU's own with its translation cache
VM_MIB = 1024 + 512
#: a finished image with room to build the next one; results of a long campaign
CACHE_MIB, RESULTS_MIB = 4096, 512

#: gives kernel and initrd to boot; may have to fetch them
ProbeKitSource = Callable[[], tuple[Path, Path]]


class Status(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    status: Status
    value: str
    #: what follows from it for the user
    consequence: str


def doctor(
    *,
    cache_dir: Path,
    results_dir: Path,
    probe_kit: ProbeKitSource,
    arch: str = "x86_64",
    accel: Request = "auto",
    qemu_binary: str | None = None,
    mirror: str | None = None,
) -> list[Finding]:
    """Look at everything a soak needs. Takes a few seconds: the accelerator is proven by booting a guest.

    Never raises a HarnessError: what is wrong is a finding.
    """
    findings = [_tools()]
    try:
        qemu = find_qemu(arch, qemu_binary)
    except HarnessError as error:
        findings.append(Finding("qemu", Status.FAIL, _first_line(error), "no machine can be started"))
    else:
        findings.append(Finding("qemu", Status.OK, f"{qemu.version} ({qemu.path})", "machines can be started"))
        findings.append(_accelerator(accel, qemu, cache_dir, probe_kit))
    findings += [_firmware(firmware) for firmware in Firmware]
    findings += [_build_mode(), _mirror(mirror), _cores(), _memory()]
    findings.append(_space("disk space, cache", cache_dir, CACHE_MIB, "images can be built", "KEXEC_CACHE_DIR"))
    findings.append(_space("disk space, results", results_dir, RESULTS_MIB, "results can be written", "KEXEC_RESULTS"))
    return findings


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _mend(error: Exception) -> str:
    """What an error says to do; its message's second line."""
    return " ".join(line.strip() for line in str(error).splitlines()[1:])


def _tools() -> Finding:
    missing = missing_packages()
    if not missing:
        return Finding("tools", Status.OK, "all there", "images can be built, machines started")
    packages = " ".join(missing)
    return Finding("tools", Status.FAIL, f"missing: {packages}", f"run make setup, or apt-get install {packages}")


def _accelerator(request: Request, qemu: QemuBinary, cache_dir: Path, probe_kit: ProbeKitSource) -> Finding:
    name = "accelerator"
    try:
        kernel, initrd = probe_kit()
        choice = probe_accel(request, qemu, kernel, initrd, cache_dir)
    except HarnessError as error:
        return Finding(name, Status.FAIL, _first_line(error), _mend(error) or "nothing could be proven by booting it")
    if choice.accel is Accel.KVM:
        return Finding(name, Status.OK, f"kvm; {choice.reason}", "a reboot takes seconds")
    emulated = boot_probe(Accel.TCG, qemu, kernel, initrd)
    if not emulated.works:
        return Finding(name, Status.FAIL, f"tcg; {emulated.detail}", "no machine boots on this host")
    consequence = "everything is emulated: a reboot takes 20 to 50 s, and times are not those of hardware"
    return Finding(name, Status.WARN, f"tcg; {emulated.detail}. {choice.reason}", consequence)


def _firmware(firmware: Firmware) -> Finding:
    name = f"firmware {firmware}"
    try:
        files = firmware_files(firmware)
    except HarnessError as error:
        return Finding(name, Status.WARN, _first_line(error), f"FIRMWARE={firmware} is not possible; {_mend(error)}")
    return Finding(name, Status.OK, str(files.code or "part of QEMU"), f"FIRMWARE={firmware} is possible")


def _build_mode() -> Finding:
    try:
        mode = build_mode()
    except HarnessError as error:
        return Finding("image building", Status.WARN, _first_line(error), _mend(error))
    how = "as root" if mode is BuildMode.ROOT else "without root, in a user namespace"
    return Finding("image building", Status.OK, f"mmdebstrap, {how}", "images that are missing are built when needed")


def _mirror(named: str | None) -> Finding:
    try:
        return Finding("mirror", Status.OK, named or apt_mirror(), "images are built from it")
    except HarnessError as error:
        return Finding("mirror", Status.WARN, _first_line(error), f"only built images can be used; {_mend(error)}")


def _cores() -> Finding:
    cores = len(os.sched_getaffinity(0))
    consequence = f"JOBS={max(1, cores // 2)} at most, for times that mean something"
    return Finding("cores", Status.OK if cores > 1 else Status.WARN, str(cores), consequence)


def _memory() -> Finding:
    available = available_memory_mib()
    if available is None:
        return Finding("memory", Status.WARN, "unknown", f"each machine takes about {VM_MIB} MiB")
    fits = available // VM_MIB
    status = Status.OK if fits else Status.FAIL
    consequence = f"room for {fits} machine{'' if fits == 1 else 's'} at a time, of about {VM_MIB} MiB each"
    return Finding("memory", status, f"{available} MiB available", consequence)


def available_memory_mib() -> int | None:
    """MiB that can be used without swapping (MemAvailable of proc_meminfo(5)); None if the kernel does not say."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    kib = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return int(kib) // 1024 if kib else None


def _space(name: str, folder: Path, needed_mib: int, good: str, setting: str) -> Finding:
    """Free space where `folder` is, or will be."""
    existing = next((path for path in (folder, *folder.absolute().parents) if path.exists()), Path("/"))
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        return Finding(name, Status.FAIL, f"{existing} cannot be written to", f"choose another folder: {setting}=...")
    free = shutil.disk_usage(existing).free // MIB
    if free < needed_mib:
        consequence = f"{needed_mib} MiB are wanted; make room, or choose another folder: {setting}=..."
        return Finding(name, Status.WARN, f"{free} MiB free in {folder}", consequence)
    return Finding(name, Status.OK, f"{free} MiB free in {folder}", good)
