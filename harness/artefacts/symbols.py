"""Names for the addresses of a guest's kernel: symbol tables learnt from guests, and where the kernel lies this time.

Debian's System.map holds no symbols (since Debian 11 it only says which debugging package has them), so the table comes
from /proc/kallsyms of a guest that is well, once for each kernel of an image; it is kept in CACHE/symbols as offsets
from `_text`, which no KASLR changes.

Where the kernel lies in a boot that failed is found out from its interrupt descriptor table: the vectors' handlers
are symbols, each vector in which a table's offset and the address agree on a base is a vote, and the base must be a
multiple of CONFIG_PHYSICAL_ALIGN (2 MiB). This needs nothing of the guest but page tables that are sound, works from
the first table that the kernel loads, and tells kernels apart: another kernel's symbols get no such votes.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import gzip
import itertools
import os
import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from harness.errors import MachineError
from harness.qemu.machine import Machine

#: (Linux arch/x86/Kconfig, PHYSICAL_ALIGN)
ALIGNMENT = 2 << 20
#: where KASLR may put the kernel's text: RANDOMIZE_BASE (arch/x86/include/asm/page_64_types.h)
LOWEST, HIGHEST = 0xFFFFFFFF80000000, 0xFFFFFFFFC0000000
#: where an x86 kernel lies without KASLR
UNSHIFTED = 0xFFFFFFFF81000000
#: the handlers of the first table of a boot: a slot for each vector, of 9 bytes, or 13 with IBT
EARLY_HANDLERS = "early_idt_handler_array"
#: vector -> its handler, by the names of Linux 5.8 and later (arch/x86/include/asm/idtentry.h)
HANDLERS = {
    0: "asm_exc_divide_error",
    3: "asm_exc_int3",
    4: "asm_exc_overflow",
    5: "asm_exc_bounds",
    6: "asm_exc_invalid_op",
    13: "asm_exc_general_protection",
    14: "asm_exc_page_fault",
    16: "asm_exc_coprocessor_error",
}
#: so many vectors must agree on the base
VOTES = 3
MAX_TABLE_BYTES = 32 << 20
MAX_PIECES = 64
PIECE_BYTES = 45_000
#: Prints the table in pieces that the agent's answers have room for (64 KiB as base64). Text symbols of the kernel
#: itself only: modules lie elsewhere in every boot. Half of them would be the padding before functions (__pfx_).
READ_SCRIPT = """
table=/run/kexec-harness.symbols
[ -e $table ] || awk '$2 ~ /^[tTwW]$/ && NF == 3 && $3 !~ /^__pfx_/ { print $1, $3 }' /proc/kallsyms | gzip >$table
dd if=$table bs=%d skip=%d count=1 2>/dev/null | base64 -w 0
"""
FORGET_SCRIPT = "rm -f /run/kexec-harness.symbols"
READ_TIMEOUT_S = 60.0


class SymbolTable(Struct, frozen=True):
    """The text symbols of one kernel, by their offsets from `_text`."""

    release: str
    #: ascending
    offsets: Sequence[int]
    names: Sequence[str]
    #: where code is, as pairs of offsets: between these lie the kernel's data
    code: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, release: str, text: str) -> SymbolTable:
        """Read lines `ADDRESS NAME`, as from /proc/kallsyms. Raises ValueError if it has no `_text`."""
        pairs = sorted(_pairs(text.splitlines()))
        base = next((address for address, name in pairs if name == "_text"), None)
        if base is None:
            raise ValueError("no symbol _text")
        kept = [(address - base, name) for address, name in pairs if address >= base]
        if len(kept) < 2 or kept[-1][0] == 0:
            # kernel.kptr_restrict hides addresses as zeros.
            raise ValueError("the addresses are hidden")
        at = {name: offset for offset, name in kept if name in {"_etext", "_sinittext", "_einittext"}}
        code = [(0, at.get("_etext", kept[-1][0] + 1))]
        if "_sinittext" in at and "_einittext" in at:
            code.append((at["_sinittext"], at["_einittext"]))
        return cls(release, [offset for offset, _ in kept], [name for _, name in kept], tuple(code))

    def text(self) -> str:
        """The table as `parse` reads it, with `_text` at 0."""
        lines = (f"{offset:x} {name}\n" for offset, name in zip(self.offsets, self.names, strict=True))
        return "".join(lines)

    def find(self, wanted: Collection[str]) -> dict[str, int]:
        """The offsets from `_text` of those of these symbols that there are."""
        return {name: offset for offset, name in zip(self.offsets, self.names, strict=True) if name in wanted}

    def name_at(self, address: int, base: int) -> str | None:
        """`symbol+0x12` for an address of the kernel's text that lies at `base`; None for any other."""
        offset = address - base
        if not any(start <= offset < end for start, end in self.code):
            return None
        index = bisect.bisect_right(self.offsets, offset) - 1
        # Of several names of one place, the first: kallsyms lists aliases behind it.
        first = bisect.bisect_left(self.offsets, self.offsets[index])
        return f"{self.names[first]}+{offset - self.offsets[index]:#x}"


def _pairs(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    for line in lines:
        if found := re.fullmatch(r"([0-9a-f]{1,16}) ([\w.$]{1,512})", line, re.ASCII):
            yield int(found[1], 16), found[2]


class Located(Struct, frozen=True):
    """A kernel found in a machine's memory."""

    table: SymbolTable
    #: the address of its `_text`
    base: int

    @property
    def kaslr_offset(self) -> int:
        """Bytes by which KASLR has moved the kernel."""
        return self.base - UNSHIFTED

    def name_at(self, address: int) -> str | None:
        return self.table.name_at(address, self.base)


def locate(handlers: dict[int, int], tables: Iterable[SymbolTable]) -> Located | None:
    """Which of these kernels has this interrupt descriptor table (vector -> handler's address), and where it lies.

    None if no table fits, or two fit equally well.
    """
    found = [located for table in tables if (located := _vote(handlers, table)) is not None]
    if not found:
        return None
    found.sort(key=lambda item: item[0], reverse=True)
    if len(found) > 1 and found[0][0] == found[1][0] and found[0][1].base != found[1][1].base:
        return None
    return found[0][1]


def _vote(handlers: dict[int, int], table: SymbolTable) -> tuple[int, Located] | None:
    offsets = table.find({*HANDLERS.values(), EARLY_HANDLERS})
    votes: Counter[int] = Counter()
    for vector, address in handlers.items():
        names = [name for name in (HANDLERS.get(vector),) if name in offsets]
        votes.update(base for name in names if _may_be(base := address - offsets[name]))
        for size in (9, 13):
            if EARLY_HANDLERS in offsets and _may_be(base := address - offsets[EARLY_HANDLERS] - size * vector):
                votes[base] += 1
    if not votes:
        return None
    base, count = votes.most_common(1)[0]
    return (count, Located(table, base)) if count >= VOTES else None


def _may_be(base: int) -> bool:
    return LOWEST <= base < HIGHEST and base % ALIGNMENT == 0


class SymbolStore:
    """The tables of one image's kernels: CACHE/symbols/<first digits of the image's SHA-256>/<release>.gz"""

    def __init__(self, cache_dir: Path, image_sha256: str) -> None:
        self.folder = cache_dir / "symbols" / image_sha256[:16]

    def tables(self) -> list[SymbolTable]:
        """Every table; one that cannot be read is left out."""
        found = []
        for path in sorted(self.folder.glob("*.gz")):
            with suppress(OSError, EOFError, ValueError, zlib.error):
                text = _inflate(path.read_bytes()).decode("ascii")
                found.append(SymbolTable.parse(path.name.removesuffix(".gz"), text))
        return found

    def knows(self, release: str) -> bool:
        """Whether there is a table of this kernel."""
        return self._file(release).exists()

    def learn(self, machine: Machine, release: str) -> str | None:
        """Read the running kernel's table from a guest that is up.

        What kept it from being learnt, in words; None if it is known now.
        """
        path = self._file(release)
        try:
            table = SymbolTable.parse(release, _inflate(b"".join(_pieces(machine))).decode("ascii"))
            self.folder.mkdir(parents=True, exist_ok=True)
            new = path.with_name(f".{path.name}.{os.getpid()}")
            new.write_bytes(gzip.compress(table.text().encode("ascii"), mtime=0))
            new.replace(path)
        except (OSError, EOFError, ValueError, zlib.error, binascii.Error, MachineError) as error:
            return f"no symbols of {release}: {error}"
        return None

    def _file(self, release: str) -> Path:
        """A release is what the guest says it is: its file's name holds no more than a release can."""
        return self.folder / f"{re.sub(r'[^A-Za-z0-9._+~-]', '_', release)[:100].lstrip('.')}.gz"


def _pieces(machine: Machine) -> Iterator[bytes]:
    for number in itertools.count():
        if number >= MAX_PIECES:
            raise ValueError("the table does not end")
        reply = machine.run(READ_SCRIPT % (PIECE_BYTES, number), purpose="symbols", timeout=READ_TIMEOUT_S)
        piece = base64.b64decode(reply.output.strip(), validate=True)
        yield piece
        if len(piece) < PIECE_BYTES:
            machine.run(FORGET_SCRIPT, purpose="symbols", timeout=READ_TIMEOUT_S)
            return


def _inflate(data: bytes) -> bytes:
    """Unpack what a guest has packed, no further than `MAX_TABLE_BYTES`. Raises ValueError or zlib.error."""
    unpack = zlib.decompressobj(wbits=31)
    text = unpack.decompress(data, MAX_TABLE_BYTES)
    if not unpack.eof:
        raise ValueError("the table is cut short, or far too long")
    return text
