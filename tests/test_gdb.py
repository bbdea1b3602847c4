"""Writing to a guest's memory: what QEMU's stub for debuggers is sent, and what comes of its refusals."""

from __future__ import annotations

import socket
import threading

import pytest

from harness.errors import MachineError
from harness.faults.gdb import SOCKET, write_memory


class Stub:
    """Answers packets in their order; knows nothing else of the protocol."""

    def __init__(self, folder, answers):
        self.received = b""
        self._answers = answers
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(folder / SOCKET))
        self._listener.listen(1)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        connection, _ = self._listener.accept()
        with connection:
            for answer in self._answers:
                seen = self.received.count(b"#")
                while self.received.count(b"#") == seen:
                    self.received += connection.recv(4096)
                connection.sendall(b"+" + answer)
        self._listener.close()


def test_the_stub_is_put_to_physical_addresses_written_to_and_left(tmp_path):
    stub = Stub(tmp_path, [b"$T02thread:01;#07$OK#9a", b"$OK#9a", b"$OK#9a"])
    write_memory(tmp_path, 0x1000, b"\xeb\xfe")
    stub.thread.join(5)
    packets = stub.received.replace(b"+", b"")
    assert packets.startswith(b"$Qqemu.PhyMemMode:1#")
    assert b"$M1000,2:ebfe#%02x" % (sum(b"M1000,2:ebfe") % 256) in packets
    assert packets.rstrip(b"0123456789abcdef").endswith(b"$D#")


@pytest.mark.parametrize(("answers", "said"), [([b"$E14#aa"], "E14"), ([b""], "went away")])
def test_a_refusal_is_an_error_with_the_stubs_word(tmp_path, answers, said):
    Stub(tmp_path, answers)
    with pytest.raises(MachineError, match=said):
        write_memory(tmp_path, 0x1000, b"\x90")


def test_without_a_stub_it_is_an_error(tmp_path):
    with pytest.raises(MachineError, match="debugger stub"):
        write_memory(tmp_path, 0, b"\x90")
