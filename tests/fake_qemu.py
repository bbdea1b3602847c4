"""Stands in for QEMU: connects the channels, answers QMP, and plays what `play.json` beside its sockets says.

Run by tests as a real child process, so that everything from the process to the verdict is the harness's own.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path

REGISTERS = "\nCPU#0\nRIP={ip:016x} RFL={flags:08x} [-------] CPL=0 II=0 A20=1 SMM=0 HLT={halted}\n"
#: the board's own devices, as `info qtree` lists them
TREE = 'bus: main-system-bus\r\n  type System\r\n  dev: hpet, id ""\r\n    gpio-in "" 2\r\n  dev: i8042, id ""\r\n'


class Fake:
    """The machine's state, and what it was told to play."""

    def __init__(self, arguments: list[str]) -> None:
        self.sockets: dict[str, socket.socket] = {}
        for word in arguments:
            if word.startswith("socket,id="):
                name, path = (part.split("=", 1)[1] for part in word.split(",")[1:3])
                self.sockets[name] = socket.socket(socket.AF_UNIX)
                self.sockets[name].connect(path)
                folder = Path(path).parent
        self.console, self.keys = (os.open(folder / f"console.{end}", os.O_RDWR) for end in ("out", "in"))
        self.steps = json.loads((folder / "play.json").read_text("utf-8"))
        self.status, self.halted, self.flags, self.ip = "running", 0, 0x246, 0xFFFFFFFF81000000
        self.slow = 0.0
        self.idle = threading.Event()

    def answer(self, command: str, arguments: dict[str, object]) -> object:
        match command:
            case "query-cpus-fast":
                return [{"thread-id": threading.get_native_id()}]
            case "query-status":
                self.idle.wait(self.slow)
                return {"status": self.status}
            case "query-blockstats":
                return [{"stats": {"rd_operations": 1, "wr_operations": 2, "flush_operations": 3}}]
            case "human-monitor-command" if arguments["command-line"] == "info qtree":
                return TREE
            case "human-monitor-command":
                return REGISTERS.format(ip=self.ip, flags=self.flags, halted=self.halted)
            case "cont":
                threading.Thread(target=self.play, daemon=True).start()
        return {}

    def serve(self) -> None:
        qmp = self.sockets["qmp"]
        version = {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""}
        qmp.sendall(json.dumps({"QMP": {"version": version, "capabilities": []}}).encode() + b"\n")
        said = ""
        while data := qmp.recv(65536):
            said += data.decode()
            # A client need not end its requests with a newline.
            while said.strip():
                try:
                    request, end = json.JSONDecoder().raw_decode(said.lstrip())
                except ValueError:
                    break
                said = said.lstrip()[end:]
                reply = {"return": self.answer(request["execute"], request.get("arguments", {}))}
                reply |= {"id": request["id"]} if "id" in request else {}
                qmp.sendall(json.dumps(reply).encode() + b"\n")

    def say(self, data: bytes, channel: str = "console") -> None:
        if channel != "console":
            self.sockets[channel].sendall(data)
            return
        while data:
            data = data[os.write(self.console, data) :]

    def play(self) -> None:
        for what, value in self.steps:
            match what:
                case "wait":
                    self.idle.wait(value)
                case "flood":
                    for _ in range(value):
                        self.say(b"\x1b[1m#noise 0123456789 lorem ipsum dolor\xff\r\n" * 25000)
                case "drip":
                    # As QEMU hands on what a guest writes to a serial port, at some 300 kB/s.
                    for _ in range(value):
                        self.say(b"#noise 012345\r\n ")
                        self.idle.wait(0.00005)
                case "stop":
                    os.kill(os.getpid(), signal.SIGSTOP)
                case "status" | "slow":
                    setattr(self, what, value)
                case "dead":
                    self.halted, self.flags = 1, 0x2
                case _:
                    self.say(value.encode("latin-1"), what)


if __name__ == "__main__":
    Fake(sys.argv[1:]).serve()
