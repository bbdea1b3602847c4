"""Where this host keeps the firmware that QEMU starts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from harness.errors import InfraError
from harness.model import Firmware
from harness.model.architectures import MachineType

#: QEMU's firmware descriptors, most specific first (qemu: docs/interop/firmware.json)
DESCRIPTORS = (Path("/etc/qemu/firmware"), Path("/usr/share/qemu/firmware"))

#: OVMF without secure boot: code and the template of its variables, by distro
KNOWN_PAIRS = (
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),  # Debian 12 and later
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),  # Debian 11, Ubuntu 20.04
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),  # Fedora, RHEL
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),  # Arch
    ("/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd"),  # older Arch
    ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),  # openSUSE
)
#: the same with secure boot, and with Microsoft's keys in the variables
KNOWN_SECURE_PAIRS = (
    ("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"),  # Debian 12 and later
    ("/usr/share/OVMF/OVMF_CODE.secboot.fd", "/usr/share/OVMF/OVMF_VARS.ms.fd"),  # Debian 11, Ubuntu 20.04
    ("/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd"),  # Fedora, RHEL
)
#: features of a firmware with secure boot that is in force, as descriptors have them
SECURE = frozenset({"secure-boot", "requires-smm", "enrolled-keys"})


class FirmwareFiles(Struct, frozen=True):
    """What QEMU is given: both None for SeaBIOS, which is built in."""

    #: read-only flash
    code: Path | None
    #: template of the writable flash; every VM gets a copy
    vars: Path | None


def firmware_files(firmware: Firmware, descriptors: Sequence[Path] = DESCRIPTORS) -> FirmwareFiles:
    """The files of `firmware`. Raises InfraError if this host has none."""
    if firmware is Firmware.SEABIOS:
        return FirmwareFiles(None, None)
    secure = firmware is Firmware.OVMF_SECBOOT
    for code, variables in KNOWN_SECURE_PAIRS if secure else KNOWN_PAIRS:
        if Path(code).is_file() and Path(variables).is_file():
            return FirmwareFiles(Path(code), Path(variables))
    for found in described(descriptors, secure=secure):
        return found
    what = "OVMF with secure boot" if secure else "OVMF"
    raise InfraError(f"{what} is not installed on this host", mend="install it: apt-get install ovmf")


def seabios_for(machine: MachineType) -> Path | None:
    """The file with SeaBIOS that this board needs; None for the one that QEMU takes by itself.

    Raises InfraError if this host has none. Debian's QEMU has a link to another firmware in SeaBIOS's place.
    """
    if not machine.seabios:
        return None
    for path in map(Path, machine.seabios):
        if path.is_file() and not path.is_symlink():
            return path
    problem = f"no SeaBIOS for {machine.name} on this host ({', '.join(machine.seabios)})"
    raise InfraError(problem, mend="install it: apt-get install seabios")


def described(folders: Sequence[Path], *, secure: bool = False) -> Iterator[FirmwareFiles]:
    """x86_64 UEFI firmware with or without secure boot, as QEMU's firmware descriptors name it."""
    for path in (path for folder in folders for path in sorted(folder.glob("*.json"))):
        try:
            found = _flash_files(json.loads(path.read_bytes()), SECURE if secure else frozenset())
        except (OSError, ValueError, KeyError, TypeError):
            continue  # somebody else's file; a wrong one is not ours to judge
        if found is not None and found.code and found.vars and found.code.is_file() and found.vars.is_file():
            yield found


def _flash_files(descriptor: dict[str, Any], features: frozenset[str]) -> FirmwareFiles | None:
    mapping = descriptor["mapping"]
    fits = (
        "uefi" in descriptor["interface-types"]
        and mapping["device"] == "flash"
        and any(target["architecture"] == "x86_64" for target in descriptor["targets"])
        and SECURE & set(descriptor["features"]) == features
        and mapping["executable"]["format"] == mapping["nvram-template"]["format"] == "raw"
    )
    if not fits:
        return None
    return FirmwareFiles(Path(mapping["executable"]["filename"]), Path(mapping["nvram-template"]["filename"]))
