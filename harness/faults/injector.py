"""A machine with a fault in it: everything goes through to the real one, and the fault strikes at its moment."""

from __future__ import annotations

import os
import shlex
from typing import Any

from harness.clock import Clock, Deadline
from harness.errors import MachineError
from harness.faults.base import Fault, Reaction
from harness.faults.gdb import overwrite_next_instruction, write_memory
from harness.faults.sockets import cut
from harness.model import CommandReply, CommandSent, ConsoleData, Event
from harness.qemu.argv import SOCKETS
from harness.qemu.machine import SCRIPT_TIMEOUT_S, Inspection, QemuMachine
from harness.qemu.process import ThreadTime
from harness.reboot.base import NEXT_COMMAND_LINE

#: of the console's text, what reactions are looked for in
WINDOW = 8192
#: where `harness.reboot.kexec` keeps what it tells kexec-load for the next boot
_ARMED = "/run/kexec-load/conf.d/kexec-harness.conf"


class Injector:
    """A `Machine` with a fault, and the `Hands` of that fault."""

    def __init__(self, machine: QemuMachine, fault: Fault) -> None:
        self.machine = machine
        self.fault = fault
        self._text = ""
        self._pending: list[Reaction] = []

    # ---- the machine ------------------------------------------------------------------------------------------

    @property
    def clock(self) -> Clock:
        return self.machine.clock

    def power_on(self) -> None:
        self.machine.power_on()

    def next_event(self, deadline: Deadline) -> Event | None:
        event = self.machine.next_event(deadline)
        if isinstance(event, ConsoleData) and self._pending:
            self._text = (self._text + event.text)[-WINDOW:]
            self._react()
        return event

    def run(self, script: str, *, purpose: str = "script", timeout: float = SCRIPT_TIMEOUT_S) -> CommandReply:
        return self.machine.run(script, purpose=purpose, timeout=timeout)

    def send(self, script: str, *, purpose: str) -> CommandSent:
        if purpose == "trigger":
            self._strike()
        return self.machine.send(script, purpose=purpose)

    def answers(self) -> bool:
        return self.machine.answers()

    def ping(self) -> None:
        self.machine.ping()

    def hold_resets(self) -> None:
        self.machine.hold_resets()

    def release_reset(self) -> None:
        self.machine.release_reset()

    def let_resets_go(self) -> None:
        self.machine.let_resets_go()

    def vcpu_time(self) -> ThreadTime | None:
        return self.machine.vcpu_time()

    def inspect(self) -> Inspection | None:
        return self.machine.inspect()

    def close(self) -> None:
        self.machine.close()

    # ---- the fault's hands ------------------------------------------------------------------------------------

    def guest(self, script: str) -> str:
        reply = self.machine.run(script, purpose="fault")
        if reply.status != 0:
            raise MachineError(f"fault {self.fault.name}: its script ended with {reply.status}: {reply.output[-400:]}")
        return reply.output

    def qmp(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        return self.machine.execute(command, arguments)

    def monitor(self, line: str) -> str:
        return self.machine.monitor(line)

    def signal(self, number: int) -> None:
        if self.machine.pid is None:
            raise MachineError("QEMU has not been started")
        os.kill(self.machine.pid, number)

    def cut_qmp(self) -> None:
        cut(self.machine.spec.folder / SOCKETS["qmp"])

    def patch(self, function: str, code: bytes) -> None:
        words = self.guest(_addresses(function)).split()
        if len(words) != 3:
            raise MachineError(f"fault {self.fault.name}: the guest's kernel has no function {function}")
        physical, start, found = (int(word, 16) for word in words)
        self.write_memory(physical + found - start, code)

    def write_memory(self, address: int, data: bytes) -> None:
        write_memory(self.machine.spec.folder, address, data)

    def overwrite_next_instruction(self, code: bytes) -> None:
        overwrite_next_instruction(self.machine.spec.folder, code)

    # ---- its moments ------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Run what comes before the cycle."""
        if self.fault.prepare:
            self.guest(self.fault.prepare)

    def _strike(self) -> None:
        fault = self.fault
        if fault.words:
            self.guest(with_words(fault.words))
        if fault.sabotage:
            self.guest(fault.sabotage)
        if fault.act is not None:
            fault.act(self)
        self._pending = list(fault.reactions)

    def _react(self) -> None:
        for reaction in tuple(self._pending):
            if found := reaction.pattern.search(self._text):
                self._pending.remove(reaction)
                reaction.action(self, found)


def with_words(words: str, armed: str = _ARMED, command_line: str = NEXT_COMMAND_LINE) -> str:
    """Guest script that adds words to the next command line: to kexec-load's, or to the one that micro keeps."""
    more, last = f's|^APPEND_ONCE=.*[^"]|& {words}|', f"s|$| {words}|"
    return f"""
if [ -e {armed} ]; then
    sed -i {shlex.quote(more)} {armed} && grep -q -F {shlex.quote(words)} {armed}
else
    sed -i {shlex.quote(last)} {command_line} && grep -q -F {shlex.quote(words)} {command_line}
fi
"""


def _addresses(function: str) -> str:
    """Guest script that prints, in hexadecimal: where the kernel's code begins, physical and virtual; the function."""
    return f"""
sed -n 's/^ *\\([0-9a-f]*\\)-.* : Kernel code$/\\1/p' /proc/iomem
for name in _text {shlex.quote(function)}; do
    awk -v name="$name" '$3 == name {{ print $1; exit }}' /proc/kallsyms
done
"""
