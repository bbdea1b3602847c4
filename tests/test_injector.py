"""Faults at their moment: words on the next command line, the host's reactions to the console; saved machines."""

from __future__ import annotations

import re
import socket
import subprocess

import pytest

from harness.clock import Deadline
from harness.errors import MachineError
from harness.faults.base import Fault, Reaction, Target
from harness.faults.injector import Injector, with_words
from harness.faults.sockets import cut
from harness.model import AgentMessage, CommandSent, ConsoleData
from harness.qemu.replay import ReplayMachine
from harness.selftest.saved import Boot, SavedMachines


def test_words_are_added_behind_the_nonce_and_inside_the_quotes(tmp_path):
    armed = tmp_path / "kexec-harness.conf"
    armed.write_text('APPEND_ONCE="kexec_harness.nonce=abc"\nMAX_FAILURES=0\n')
    subprocess.run(["sh", "-c", with_words("root=LABEL=missing rootdelay=2", str(armed))], check=True)
    assert armed.read_text() == 'APPEND_ONCE="kexec_harness.nonce=abc root=LABEL=missing rootdelay=2"\nMAX_FAILURES=0\n'


def test_words_are_added_to_the_command_line_that_an_image_without_kexec_load_keeps(tmp_path):
    kept = tmp_path / "command-line"
    kept.write_text("root=LABEL=root kexec_harness.nonce=abc\n")
    script = with_words("unknown_nmi_panic", str(tmp_path / "missing.conf"), str(kept))
    subprocess.run(["sh", "-c", script], check=True)
    assert kept.read_text() == "root=LABEL=root kexec_harness.nonce=abc unknown_nmi_panic\n"


def test_without_an_armed_method_words_are_an_error(tmp_path):
    (tmp_path / "empty.conf").touch()
    done = subprocess.run(["sh", "-c", with_words("quiet", str(tmp_path / "empty.conf"))], check=False)
    assert done.returncode != 0


def reacting_to(pattern, *pieces):
    """What a reaction got to see, on a machine whose console prints these pieces after the trigger."""
    seen = []
    fault = Fault(
        name="watches",
        summary="",
        target=Target.HOST,
        classes=(),
        reactions=(Reaction(re.compile(pattern), lambda _, found: seen.append(found[0])),),
    )
    events = [
        ConsoleData(0.0, "Linux version 1 of the boot before\n"),
        CommandSent(1.0, 1, "trigger", "systemctl reboot"),
        *(ConsoleData(2.0 + number, piece) for number, piece in enumerate(pieces)),
    ]
    machine = Injector(ReplayMachine(events), fault)
    machine.next_event(Deadline(machine.clock, 0.0))
    machine.send("systemctl reboot", purpose="trigger")
    while machine.next_event(Deadline.after(machine.clock, 10.0)) is not None:
        pass
    return seen


def test_the_host_reacts_once_to_text_in_pieces_and_to_none_from_before_the_trigger():
    assert reacting_to(r"Linux version \d", "[ 0.0] Linux ver", "sion 2", "\nLinux version 3\n") == ["Linux version 2"]


def test_the_host_does_not_react_to_other_text():
    assert reacting_to(r"Linux version \d", "Welcome to GRUB!\n") == []


def test_a_saved_machine_is_found_again_by_what_it_is_made_of(tmp_path):
    boot = Boot({"boot_id": "a"}, [ConsoleData(1.0, "login:"), AgentMessage(2.0, {"type": "ready"})])
    disk = tmp_path / "root.qcow2"
    disk.write_bytes(b"disk")
    machines = SavedMachines(tmp_path / "cache", "debian-13", ["image", "qemu 7"])
    assert machines.find() is None
    kept = machines.keep(disk, boot)
    assert kept.root_disk.read_bytes() == b"disk"
    assert not disk.exists()
    assert SavedMachines(tmp_path / "cache", "debian-13", ["image", "qemu 7"]).find() == (kept, boot)
    assert SavedMachines(tmp_path / "cache", "debian-13", ["image", "qemu 8"]).find() is None


def test_a_machine_saved_anew_takes_the_place_of_the_old_one_and_of_no_other_image(tmp_path):
    boot = Boot({}, [])
    for image, version in (("debian-12", "7"), ("debian-13", "7"), ("debian-13", "8")):
        disk = tmp_path / "root.qcow2"
        disk.write_bytes(version.encode())
        SavedMachines(tmp_path / "cache", image, [version]).keep(disk, boot)
    disks = sorted(path.read_bytes() for path in (tmp_path / "cache").glob("*.qcow2"))
    assert disks == [b"7", b"8"]


def test_a_connection_is_cut_at_both_ends_and_no_other(tmp_path):
    ends = {}
    for name in ("qmp.sock", "console.sock"):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / name))
        listener.listen(1)
        far = socket.socket(socket.AF_UNIX)
        far.connect(str(tmp_path / name))
        ends[name] = (listener, listener.accept()[0], far)
    cut(tmp_path / "qmp.sock")
    assert [end.recv(1) for end in ends["qmp.sock"][1:]] == [b"", b""]
    ends["console.sock"][2].sendall(b"x")
    assert ends["console.sock"][1].recv(1) == b"x"
    with pytest.raises(MachineError, match="nobody is connected"):
        cut(tmp_path / "echo.sock")
    for end in (end for three in ends.values() for end in three):
        end.close()
