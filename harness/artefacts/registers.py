"""Registers of every vCPU, and in words where each of them is: symbols of the instruction pointer and of its stack."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from harness.artefacts.case import Case, silent
from harness.artefacts.symbols import HANDLERS, Located, locate
from harness.errors import MachineError
from harness.qemu.machine import Monitor

NAME = "registers.txt"
SUMMARY = "registers of each vCPU, with symbols"

#: words of the stack that are looked through for return addresses
STACK_WORDS = 512
MAX_CALLERS = 24
KERNEL_HALF = 1 << 63
#: where modules lie (Linux Documentation/arch/x86/x86_64/mm.rst)
MODULES, MODULES_END = 0xFFFFFFFFC0000000, 0xFFFFFFFFFF000000
#: "Kernel Offset: 0x1c000000 from 0xffffffff81000000", which a panic prints
PANIC_OFFSET = re.compile(r"Kernel Offset: (0x[0-9a-f]{1,16}|disabled)")


class Cpu(Struct, frozen=True):
    """What is read from one vCPU's part of `info registers -a`."""

    number: int
    rip: int
    rsp: int
    idt: int
    cpl: int
    halted: bool


def take(case: Case) -> list[str]:
    """Write registers.txt: what each CPU is at, then QEMU's own words. Raises NotTaken."""
    monitor = case.monitor()
    try:
        raw = monitor.monitor("info registers -a")
        located = find_kernel(case, monitor, parse(raw))
        lines = [*_where(case, located), *(line for cpu in parse(raw) for line in _describe(monitor, cpu, located))]
    except MachineError as error:
        raise silent(error) from error
    text = "\n".join([*lines, "", raw.replace("\r\n", "\n")])
    (case.folder / NAME).write_text(text, "utf-8", errors="backslashreplace")
    return []


def parse(raw: str) -> list[Cpu]:
    """Every vCPU in `info registers -a` of an x86_64 machine; those without 64-bit registers (in firmware) too."""
    return [cpu for part in re.split(r"^(?=CPU#\d+)", raw, flags=re.MULTILINE) if (cpu := _cpu(part)) is not None]


def _cpu(part: str) -> Cpu | None:
    number = re.match(r"CPU#(\d+)", part)
    values = dict(re.findall(r"\b([RE]?[IS]P|CPL|HLT)=([0-9a-f]+)\b", part))
    table = re.search(r"^IDT=\s+([0-9a-f]+)", part, re.MULTILINE)
    rip, rsp = (values.get(f"R{name}", values.get(f"E{name}")) for name in ("IP", "SP"))
    if number is None or table is None or rip is None or rsp is None:
        return None
    return Cpu(
        int(number[1]),
        int(rip, 16),
        int(rsp, 16),
        int(table[1], 16),
        int(values.get("CPL", "0")),
        values.get("HLT") == "1",
    )


def find_kernel(case: Case, monitor: Monitor, cpus: list[Cpu]) -> Located | None:
    """The kernel that runs, if its symbols are known and some vCPU has its descriptor table. Raises MachineError."""
    tables = case.symbols.tables() if case.symbols is not None else []
    for cpu in cpus:
        if tables and cpu.idt >= KERNEL_HALF:
            located = locate(_handlers(monitor, cpu), tables)
            if located is not None:
                return located
    return None


def _handlers(monitor: Monitor, cpu: Cpu) -> dict[int, int]:
    """Vector -> address of its handler, from the descriptor table in the machine's memory."""
    words = read_words(monitor, cpu, cpu.idt, 2 * (max(HANDLERS) + 1))
    return {vector: handler_of(words[2 * vector], words[2 * vector + 1]) for vector in HANDLERS if words}


def handler_of(low: int, high: int) -> int:
    """The address in a gate descriptor of 16 bytes, given as two words (Intel SDM volume 3, 6.14.1)."""
    return (low & 0xFFFF) | (low >> 48 & 0xFFFF) << 16 | (high & 0xFFFFFFFF) << 32


def read_words(monitor: Monitor, cpu: Cpu, address: int, count: int) -> list[int]:
    """Words of 8 bytes at a virtual address; an empty list if not all of them can be read. Raises MachineError."""
    said = monitor.monitor(f"x /{count}gx {address:#x}", cpu.number)
    words = [int(word, 16) for line in said.splitlines() for word in re.findall(r"\b0x([0-9a-f]{16})\b", line)]
    return words if len(words) == count else []


def _where(case: Case, located: Located | None) -> list[str]:
    """What is known of where the kernel lies, and from what."""
    if located is not None:
        release, base, offset = located.table.release, located.base, located.kaslr_offset
        lines = [f"kernel {release}, _text at {base:#x}, moved by KASLR by {offset:#x}"]
        lines.append("(found from the vectors of its interrupt descriptor table)")
    elif known := [table.release for table in case.symbols.tables()] if case.symbols is not None else []:
        lines = ["no symbols: where the kernel lies is unknown, or it is another one"]
        lines.append(f"(no vCPU has an interrupt descriptor table that fits {', '.join(known)})")
    else:
        lines = ["no symbols: no kernel of this image has been learnt yet"]
    if said := PANIC_OFFSET.findall("".join(_console_texts(case))):
        lines.append(f"kernel offset, as a panic on the console says: {said[-1]}")
    return lines


def _console_texts(case: Case) -> Iterator[str]:
    return (event.text for event in case.events[-2000:] if hasattr(event, "text"))


def _describe(monitor: Monitor, cpu: Cpu, located: Located | None) -> list[str]:
    """One line about where the vCPU is, and one for each likely caller."""
    state = ", halted" if cpu.halted else ""
    lines = [f"CPU#{cpu.number}: {place(cpu.rip, cpu.cpl, located)}{state}"]
    if located is None or cpu.cpl != 0:
        return lines
    # The kernel has no frame pointers: every word that points into its text may be a return address or a leftover.
    stack = _stack(monitor, cpu)
    callers = [name for word in stack if (name := located.name_at(word)) is not None]
    return [*lines, *(f"    ? {name}" for name in callers[:MAX_CALLERS])]


def _stack(monitor: Monitor, cpu: Cpu) -> list[int]:
    """The words above the stack pointer; fewer where the stack ends sooner."""
    if cpu.rsp < KERNEL_HALF:
        return []
    # Kernel stacks are aligned to 16 KiB (THREAD_SIZE; the IRQ stack alike), and behind them may be a guard page.
    left = (0x4000 - cpu.rsp % 0x4000) // 8
    return read_words(monitor, cpu, cpu.rsp, min(STACK_WORDS, left))


def place(rip: int, cpl: int, located: Located | None) -> str:
    """An instruction pointer in words."""
    if cpl == 3:
        return f"{rip:#018x} userspace"
    name = located.name_at(rip) if located is not None else None
    if name is not None:
        return f"{rip:#018x} {name}"
    if MODULES <= rip < MODULES_END and located is not None:
        return f"{rip:#018x} (in a module)"
    return f"{rip:#018x}"
