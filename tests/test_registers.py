"""Registers in words, recorded from a Debian 13 that panicked: KASLR had moved it by 0x6c00000, as the panic said."""

from __future__ import annotations

import base64
import gzip
import itertools
import re
from pathlib import Path

import pytest
from paths import PROJECT
from test_artefacts import Standing, case, inspection

from harness.artefacts import registers
from harness.artefacts.case import NotTaken, Wanted
from harness.artefacts.collect import Collector
from harness.artefacts.symbols import HANDLERS, UNSHIFTED, SymbolStore, SymbolTable, locate
from harness.errors import MachineError
from harness.model import AgentMessage, CommandSent, ConsoleData
from harness.qemu.replay import ReplayMachine

RECORDED = PROJECT / "tests/testdata/registers"
RAW = (RECORDED / "panic.txt").read_text("ascii")
IDT = (RECORDED / "panic-idt.txt").read_text("ascii")
RELEASE = "6.12.117+deb13-amd64"
#: some of that kernel's symbols, as /proc/kallsyms has them without KASLR
SYMBOLS = """\
ffffffff81000000 _text
ffffffff81050ad0 stop_this_cpu
ffffffff81050b60 native_machine_halt
ffffffff81cb2de0 delay_tsc
ffffffff81cb2e60 delay_tpause
ffffffff81e01030 asm_exc_divide_error
ffffffff81e01050 asm_exc_overflow
ffffffff81e01070 asm_exc_bounds
ffffffff81e010f0 asm_exc_coprocessor_error
ffffffff81e01220 asm_exc_invalid_op
ffffffff81e01240 asm_exc_int3
ffffffff81e01280 asm_exc_page_fault
ffffffff82000000 _etext
"""
TABLE = SymbolTable.parse(RELEASE, SYMBOLS)


class Recorded:
    """A monitor that answers as the recorded machine did."""

    def __init__(self, idt: str = IDT) -> None:
        self._idt = idt

    def execute(self, command: str, arguments: object = None, *, timeout: float = 10.0) -> object:
        raise AssertionError(command)

    def monitor(self, line: str, cpu: int | None = None) -> str:
        if line == "info registers -a":
            return RAW
        if line == "x /34gx 0xfffffe0000000000":
            return self._idt
        assert re.fullmatch(r"x /\d+gx 0xff78dea9c0[0-9a-f]{6}", line), line
        return "ff78dea9c0833968: 0xffffffff88a01031 0x0000000000000000\nCannot access memory\n"


def store(folder: Path, *tables: SymbolTable) -> SymbolStore:
    made = SymbolStore(folder, "ab" * 32)
    made.folder.mkdir(parents=True)
    for table in tables:
        (made.folder / f"{table.release}.gz").write_bytes(gzip.compress(table.text().encode()))
    return made


def written(tmp_path: Path, **changes: object) -> str:
    given = {"inspection": inspection(tmp_path, Recorded()), **changes}
    if "symbols" not in given:
        given["symbols"] = store(tmp_path / "cache", TABLE)
    registers.take(case(tmp_path / "f", **given))
    return (tmp_path / "f/registers.txt").read_text()


def test_each_cpu_is_said_to_be_where_it_is(tmp_path):
    text = written(tmp_path)
    assert f"kernel {RELEASE}, _text at 0xffffffff87c00000, moved by KASLR by 0x6c00000" in text
    assert "CPU#0: 0xffffffff888b2e17 delay_tsc+0x37\n" in text
    assert "CPU#1: 0xffffffff87c50b47 stop_this_cpu+0x77, halted\n" in text
    assert text.endswith(RAW)


def test_of_a_kernel_that_nobody_knows_the_addresses_are_kept_and_the_console_is_asked(tmp_path):
    said = ConsoleData(1.0, "[ 137.3] Kernel Offset: 0x6c00000 from 0xffffffff81000000\r\n")
    text = written(tmp_path, symbols=None, events=(said,))
    assert text.startswith("no symbols: no kernel of this image has been learnt yet\n")
    assert "kernel offset, as a panic on the console says: 0x6c00000\n" in text
    assert "CPU#0: 0xffffffff888b2e17\n" in text


def test_a_table_that_is_not_the_kernels_is_not_believed(tmp_path):
    other = re.sub(r"(81e01)(...) (asm_\w+)", lambda m: f"{m[1]}{int(m[2], 16) + len(m[3]):03x} {m[3]}", SYMBOLS)
    text = written(tmp_path, symbols=store(tmp_path / "cache", SymbolTable.parse("6.1.0-other", other)))
    assert text.startswith("no symbols: where the kernel lies is unknown, or it is another one\n")
    assert "6.1.0-other" in text


def test_a_monitor_that_reads_no_memory_costs_the_names_only(tmp_path):
    blind = inspection(tmp_path, Recorded(idt="Cannot access memory\r\n"))
    assert "CPU#1: 0xffffffff87c50b47, halted" in written(tmp_path, inspection=blind)


def test_a_monitor_that_goes_silent_is_the_reason(tmp_path):
    class Silent(Recorded):
        def monitor(self, line: str, cpu: int | None = None) -> str:
            raise MachineError("QEMU did not answer human-monitor-command within 10 s")

    with pytest.raises(NotTaken, match="did not answer"):
        written(tmp_path, inspection=inspection(tmp_path, Silent()))


def test_userspace_modules_and_firmware_are_told_apart():
    located = locate(handlers(), [TABLE])
    assert registers.place(0x7F3840E0F740, 3, located).endswith(" userspace")
    assert registers.place(0xFFFFFFFFC0123456, 0, located).endswith(" (in a module)")
    assert registers.place(0xFFFFFFFF88C00000, 0, located) == "0xffffffff88c00000"
    bios = "CPU#0\nEAX=0 EBX=0\nESI=0 EDI=0 EBP=0 ESP=00006f20\nEIP=0000fff0 EFL=2 CPL=0 HLT=0\nIDT=     000f6180 0\n"
    [cpu] = registers.parse(bios)
    assert (cpu.rip, cpu.idt) == (0xFFF0, 0xF6180)
    assert registers.parse("\x1b[31mnonsense") == []


# ---- finding the kernel -----------------------------------------------------------------------------------------


def handlers() -> dict[int, int]:
    """The recorded vectors."""
    words = [int(word, 16) for word in re.findall(r"0x([0-9a-f]{16})\b", IDT)]
    return {vector: registers.handler_of(*words[2 * vector : 2 * vector + 2]) for vector in HANDLERS}


def test_the_kernel_is_found_by_the_vectors_that_agree():
    located = locate(handlers(), [TABLE])
    assert located is not None
    assert located.kaslr_offset == 0x6C00000
    few = {vector: address for vector, address in handlers().items() if vector in {0, 4}}
    assert locate(few, [TABLE]) is None


def test_the_first_table_of_a_boot_will_do():
    early = SymbolTable.parse(RELEASE, SYMBOLS + "ffffffff83366580 early_idt_handler_array\n")
    base = UNSHIFTED + 0x2400000
    located = locate({vector: base + 0x2366580 + 13 * vector for vector in HANDLERS}, [early])
    assert located is not None
    assert located.base == base


@pytest.mark.parametrize("shift", [0x1000, 0x6C00010, -0x80000000])
def test_no_base_that_a_kernel_cannot_have(shift):
    assert locate({vector: address + shift for vector, address in handlers().items()}, [TABLE]) is None


# ---- symbol tables ----------------------------------------------------------------------------------------------


def test_an_address_between_symbols_belongs_to_the_one_before_it():
    base = 0xFFFFFFFF90000000
    assert TABLE.name_at(base, base) == "_text+0x0"
    assert TABLE.name_at(base + 0x50B47, base) == "stop_this_cpu+0x77"
    assert TABLE.name_at(base - 1, base) is None
    assert TABLE.name_at(base + 0x1000000, base) is None


def test_hidden_addresses_and_noise_are_no_table():
    with pytest.raises(ValueError, match="hidden"):
        SymbolTable.parse(RELEASE, "0000000000000000 _text\n0000000000000000 stop_this_cpu\n")
    with pytest.raises(ValueError, match="no symbol _text"):
        SymbolTable.parse(RELEASE, "\x1b[31m ffffffff81000000 _te\x00xt\n")


def guest_with(data: bytes) -> ReplayMachine:
    """A guest that gives this as its table, piece by piece."""
    pieces = [data[at : at + 45_000] for at in range(0, len(data), 45_000)]
    events = []
    for number, piece in enumerate([*pieces, b""] if len(data) % 45_000 == 0 else pieces, 1):
        output = base64.b64encode(base64.b64encode(piece)).decode()
        events.append(CommandSent(float(number), number, "symbols", ""))
        events.append(AgentMessage(number + 0.5, {"type": "reply", "id": number, "status": 0, "output": output}))
    last = len(events)
    events.append(CommandSent(last + 1.0, last, "symbols", ""))
    events.append(AgentMessage(last + 1.5, {"type": "reply", "id": last, "status": 0, "output": ""}))
    return ReplayMachine(events)


def test_a_kernel_is_learnt_once_from_a_guest_in_pieces(tmp_path):
    many = "".join(f"{0xFFFFFFFF81100000 + 16 * n:x} f_{n * 7919 % 99991}_{n}\n" for n in range(30_000))
    lines = (SYMBOLS + many).splitlines(keepends=True)
    shifted = re.sub(r"^[0-9a-f]{16}", lambda m: f"{int(m[0], 16) + 0x1200000:x}", "".join(lines), flags=re.MULTILINE)
    learnt = SymbolStore(tmp_path, "ab" * 32)
    packed = gzip.compress(shifted.encode())
    assert len(packed) > 45_000
    assert learnt.learn(guest_with(packed), RELEASE) is None
    [table] = learnt.tables()
    assert table.release == RELEASE
    assert table.name_at(0x50B47, 0) == "stop_this_cpu+0x77"
    # Known now: a guest without an answer is not even asked, and nothing is said.
    said: list[str] = []
    collector = Collector(tmp_path, Wanted(), said.append, symbols=learnt)
    guest = Standing(inspection(tmp_path, Recorded()))
    assert collector.learn(guest, RELEASE) is False
    assert collector.learn(guest, "6.1.0\x1b[31m") is True
    # A recording has no inside that could be asked.
    assert collector.learn(ReplayMachine([]), "6.2.0") is False
    assert said == [
        r"6.1.0\x1b[31m: reading its symbols, once for this image",
        r"no symbols of 6.1.0\x1b[31m: the transcript has no command 'symbols'",
    ]


@pytest.mark.parametrize(
    "data",
    [b"", b"nonsense", gzip.compress(b"")[:-4], gzip.compress(b"0" * (33 << 20))],
    ids=["nothing", "noise", "cut short", "a bomb"],
)
def test_a_guest_that_lies_costs_the_names_only(tmp_path, data):
    learnt = SymbolStore(tmp_path, "ab" * 32)
    problem = learnt.learn(guest_with(data), "../../\x1b6.12")
    assert problem is not None
    assert learnt.tables() == []
    assert list(itertools.chain(tmp_path.rglob("*.gz"), tmp_path.rglob(".*.gz.*"))) == []


def test_a_spoilt_file_in_the_cache_is_passed_over(tmp_path):
    spoilt = store(tmp_path, TABLE)
    (spoilt.folder / "5.10.0.gz").write_bytes(b"spoilt")
    assert [table.release for table in spoilt.tables()] == [RELEASE]
