"""The guest's memory, in the format of kdump, which crash and drgn open; only when asked for (KEEP_MEMORY=1).

QEMU (up to 8.1 at least) writes the format flattened, for pipes, and leaves the system's name in its header empty, for
which drgn refuses it: both are mended here.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import BinaryIO

from harness.artefacts.case import MIB, Case, NotTaken, silent
from harness.artefacts.registers import find_kernel, parse
from harness.errors import MachineError

NAME = "memory.kdump"
SUMMARY = "the guest's memory, for crash or drgn"
TIMEOUT_S = 120.0
FLATTENED = "memory.flattened"

# The flattened format (makedumpfile's diskdump_mod.h): a header of 4 KiB, then pieces, each behind its offset and size
# as big-endian 64 bits, the last one with a negative offset.
FLAT_SIGNATURE, FLAT_HEADER_BYTES = b"makedumpfile\0", 4096
PIECE = struct.Struct(">qq")
MAX_PIECE_BYTES = 64 * MIB
# The header itself (struct disk_dump_header, kdump_sub_header; crash's diskdump.h): the name of the system as uname(2)
# has it, six fields of 65 bytes; in the second block of 4 KiB where VMCOREINFO is, and how long.
SIGNATURE = b"KDUMP   "
UTSNAME_AT, UTSNAME_FIELD = 12, 65
VMCOREINFO_AT = 4096 + 32
MAX_VMCOREINFO_BYTES = 1 << 16


def take(case: Case) -> list[str]:
    """Let QEMU dump the memory, and mend the dump. Raises NotTaken."""
    if not case.wanted.memory:
        raise NotTaken("KEEP_MEMORY=1 keeps it")
    monitor = case.monitor()
    # Flattened and mended stand side by side for a moment.
    case.need_room(case.inside().spec.memory_mib * MIB, "a dump of the memory", copies=2)
    flattened = case.folder / FLATTENED
    arguments = {"paging": False, "protocol": f"file:{flattened.absolute()}", "format": "kdump-zlib"}
    try:
        monitor.execute("dump-guest-memory", arguments, timeout=min(TIMEOUT_S, case.deadline.remaining()))
        with flattened.open("rb") as source, (case.folder / NAME).open("wb") as target:
            unflatten(source, target)
        return _remarks(case, mend(case.folder / NAME))
    except MachineError as error:
        raise silent(error) from error
    finally:
        flattened.unlink(missing_ok=True)


def unflatten(source: BinaryIO, target: BinaryIO) -> None:
    """Put the pieces of a flattened dump where they belong. Raises NotTaken for anything else."""
    if not source.read(FLAT_HEADER_BYTES).startswith(FLAT_SIGNATURE):
        raise NotTaken("QEMU wrote a dump of another format")
    while len(head := source.read(PIECE.size)) == PIECE.size:
        offset, size = PIECE.unpack(head)
        if offset < 0:
            return
        data = source.read(size) if 0 <= size <= MAX_PIECE_BYTES else b""
        if len(data) != size:
            break
        target.seek(offset)
        target.write(data)
    raise NotTaken("QEMU's dump is cut short")


def mend(dump: Path) -> dict[str, str]:
    """Fill the system's name in, as far as it is known; what VMCOREINFO says, empty if there is none.

    Raises NotTaken for a file that is no dump.
    """
    with dump.open("r+b") as file:
        if file.read(len(SIGNATURE)) != SIGNATURE:
            raise NotTaken("QEMU wrote a dump of another format")
        info = read_vmcoreinfo(file)
        for index, word in enumerate(("Linux", "(unknown)", info.get("OSRELEASE", "(unknown)"), "(unknown)")):
            file.seek(UTSNAME_AT + index * UTSNAME_FIELD)
            file.write(word.encode("ascii", "replace")[: UTSNAME_FIELD - 1].ljust(UTSNAME_FIELD, b"\0"))
    return info


def read_vmcoreinfo(file: BinaryIO) -> dict[str, str]:
    """The lines `KEY=VALUE` of VMCOREINFO that a dump has in its header; empty if the guest had told QEMU of none."""
    file.seek(VMCOREINFO_AT)
    offset, size = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))
    if not offset or not 0 < size <= MAX_VMCOREINFO_BYTES:
        return {}
    file.seek(offset)
    return dict(re.findall(r"^([\w.()-]+)=([^\n\0]*)$", file.read(size).decode("ascii", "replace"), re.MULTILINE))


def _remarks(case: Case, info: dict[str, str]) -> list[str]:
    """What somebody must know who opens it: crash and drgn both believe VMCOREINFO."""
    monitor = case.monitor()
    located = find_kernel(case, monitor, parse(monitor.monitor("info registers -a")))
    found = f"{located.kaslr_offset:#x}" if located is not None else None
    if not info:
        hint = f": crash opens it with --kaslr={found}" if found else ""
        return [f"without VMCOREINFO, which the guest gives QEMU when its udev has run; drgn needs it{hint}"]
    said = f"0x{info.get('KERNELOFFSET', '0').lstrip('0') or '0'}"
    if found is not None and found != said:
        return [f"its VMCOREINFO is of an earlier boot ({info.get('OSRELEASE')}, {said}): crash with --kaslr={found}"]
    return [f"kernel {info.get('OSRELEASE', 'unknown')}, build id {info.get('BUILD-ID', 'unknown')}, moved by {said}"]
