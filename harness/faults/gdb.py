"""Writing to a guest's memory from outside, by QEMU's stub for debuggers.

Protocol: GDB manual, appendix "GDB Remote Serial Protocol"; QEMU's own packet for physical addresses: QEMU manual,
"GDB usage". While a debugger is connected the guest stands still; it goes on when the debugger has detached.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import MachineError
from harness.model import Option
from harness.qemu.argv import no_commas

SOCKET = "gdb.sock"
TIMEOUT_S = 20.0
#: where RIP stands among the registers of x86-64, behind sixteen of eight bytes (gdb/features/i386/64bit-core.xml)
RIP_AT = 128
_PACKET = re.compile(rb"\$(?P<content>[^$#]*)#[0-9a-f]{2}")


def gdb_options(folder: Path) -> list[Option]:
    """QEMU's options for the stub, whose socket lies in the machine's private folder."""
    return [
        ("-chardev", f"socket,id=gdb,path={no_commas(str(folder / SOCKET))},server=on,wait=off"),
        ("-gdb", "chardev:gdb"),
    ]


def write_memory(folder: Path, address: int, data: bytes) -> None:
    """Write `data` to physical memory. Raises MachineError."""
    with _attached(folder) as stub:
        stub.expect("Qqemu.PhyMemMode:1", "OK")
        stub.write(address, data)


def overwrite_next_instruction(folder: Path, data: bytes) -> None:
    """Write `data` over what the first CPU would run next. Raises MachineError."""
    with _attached(folder) as stub:
        stub.expect("Qqemu.PhyMemMode:0", "OK")
        registers = bytes.fromhex(stub.ask("g"))
        stub.write(int.from_bytes(registers[RIP_AT : RIP_AT + 8], "little"), data)


@contextmanager
def _attached(folder: Path) -> Iterator[_Stub]:
    """A debugger's connection to the machine, which stands still as long. Raises MachineError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(str(folder / SOCKET))
            stub = _Stub(connection)
            yield stub
            stub.expect("D", "OK")
    except (OSError, ValueError) as error:
        raise MachineError(f"QEMU's debugger stub: {error}") from error


class _Stub:
    """The far end of a connection: one packet answers another, and what it says unasked is passed over."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""

    def write(self, address: int, data: bytes) -> None:
        """Write `data` there, in memory as the mode has it. Raises MachineError."""
        self.expect(f"M{address:x},{len(data):x}:{data.hex()}", "OK")

    def expect(self, packet: str, wanted: str) -> None:
        """Ask for something that can only be answered in one way. Raises MachineError."""
        answer = self.ask(packet)
        if answer != wanted:
            raise MachineError(f"QEMU's debugger stub answered {packet[:40]!r} with {answer[:40]!r}")

    def ask(self, packet: str) -> str:
        checksum = sum(packet.encode("ascii")) % 256
        self._connection.sendall(f"${packet}#{checksum:02x}".encode("ascii"))
        # That the machine has stopped (T, S) is no answer: it stops when the connection is made.
        while (answer := self._packet())[:1] in {"T", "S"}:
            pass
        return answer

    def _packet(self) -> str:
        while (found := _PACKET.search(self._received)) is None:
            piece = self._connection.recv(4096)
            if not piece:
                raise MachineError("QEMU's debugger stub went away")
            self._received += piece
        self._received = self._received[found.end() :]
        # Who has answered the last packet may be gone.
        with suppress(ConnectionError):
            self._connection.sendall(b"+")
        return found["content"].decode("ascii", "replace")
