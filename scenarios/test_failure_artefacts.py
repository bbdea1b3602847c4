"""A kernel that panics leaves artefacts that somebody can work with.

make scenarios K=failure_artefacts
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from harness.artefacts.memory import read_vmcoreinfo
from harness.campaign.records import Identity
from harness.campaign.runner import CellCampaign
from harness.campaign.session import RunSession
from harness.campaign.stopping import StopSettings
from harness.clock import HostClock
from harness.config import Sources, resolve
from harness.model import BootPath, Cell, CycleEnd
from harness.reboot.base import Method, remember
from harness.stats.compare import MARGIN
from harness.store import RECORDS, CellStore, create_run, read_records

pytestmark = pytest.mark.vm


def failing(name: str, trigger: str) -> Method:
    """A method whose kexec never comes; a mark in the journal shows that the disk was read."""
    return Method(
        name=name,
        summary="a reboot that fails",
        path=BootPath.KEXEC,
        arm=lambda nonce: f"{remember(nonce)}\nlogger before the failure {nonce}\njournalctl --sync; sync",
        trigger=trigger,
    )


PANIC = failing("panic", "echo c >/proc/sysrq-trigger")
RESET = failing("reset", "echo b >/proc/sysrq-trigger")
KERNEL_STARTS_S = 180


@pytest.fixture
def fail(cell: Cell, device_set, tmp_path: Path) -> Callable[[Method], tuple[CycleEnd, Path]]:
    """Runs one cycle of a method that fails; its record and its artefacts."""
    given = {"results": str(tmp_path), "keep_memory": "1", "keep_disk": "1", "screen": "1"}
    settings = resolve(Sources(command_line=given, environment=os.environ, folder=Path.cwd()))
    run = RunSession(settings, "r1", HostClock(), print)

    def run_cycle(method: Method) -> tuple[CycleEnd, Path]:
        create_run(tmp_path, "r1")
        with CellStore(run.run_dir, cell.cell_id) as store:
            CellCampaign(
                cell,
                [method],
                device_set,
                identity=Identity("r1", run.lab.accel.accel, run.lab.qemu.version),
                seed=settings.seed,
                blocks=1,
                stop=StopSettings(margin=MARGIN),
                make_machine=lambda: run.lab.make_machine(cell),
                store=store,
                artefacts=run.collector(cell),
                say=print,
            ).run()
            end = read_records(store.folder / RECORDS)[-1]
            assert isinstance(end, CycleEnd)
            return end, store.folder / "failures" / f"000000-{method.name}"

    return run_cycle


@pytest.mark.thorough
def test_what_a_reset_destroys_is_taken_before_it(fail):
    end, failed = fail(RESET)
    assert end.outcome == "fail", end
    listed = (failed / "artefacts.txt").read_text()
    assert "The guest asked for a reset; registers.txt, " in listed
    assert re.findall(r"^(\S+) +not taken", listed, re.MULTILINE) == ["qemu.stderr"], listed
    registers = (failed / "registers.txt").read_text()
    assert re.search(r"^ +\? __handle_sysrq", registers, re.MULTILINE), registers[:2000]
    # The cycle went on through firmware, and its console has all of it.
    assert b"Linux version" in (failed / "console.log").read_bytes()
    # The journal is of the boot that failed: the next one had not begun.
    assert re.search(r"root\S*: before the failure [0-9a-f]{16}$", (failed / "journal.txt").read_text(), re.MULTILINE)


def test_a_panic_leaves_everything_that_is_needed_to_look_into_it(fail):
    end, failed = fail(PANIC)
    assert end.failure_class == "outgoing_kernel_crash", end
    listed = (failed / "artefacts.txt").read_text()
    assert re.findall(r"^(\S+) +not taken", listed, re.MULTILINE) == ["qemu.stderr"], listed
    console = (failed / "console.log").read_bytes()
    assert b"Kernel panic - not syncing: sysrq triggered crash" in console
    assert b"Linux version" in (failed / "console-before.log").read_bytes()
    assert (failed / "screen.png").read_bytes().startswith(b"\x89PNG\r\n")

    # The symbols are right: the panic itself has said where the kernel lies, and the stack has the way there.
    [offset] = re.findall(rb"Kernel Offset: 0x([0-9a-f]+)", console)
    registers = (failed / "registers.txt").read_text()
    assert f"moved by KASLR by 0x{offset.decode()}\n" in registers
    assert {"panic", "sysrq_handle_crash"} <= set(re.findall(r"^ +\? (\w+)\+0x", registers, re.MULTILINE))
    assert registers.count("RIP=") == len(re.findall(r"^CPU#\d+: ", registers, re.MULTILINE)) >= 1

    exchanges = [json.loads(line) for line in (failed / "qmp.jsonl").read_text().splitlines()]
    assert {(entry["kind"], entry["name"]) for entry in exchanges} >= {
        ("command", "cont"),
        ("event", "RESUME"),
        ("command", "stop"),
        ("event", "STOP"),
        ("reply", "dump-guest-memory"),
    }
    assert [entry["t"] for entry in exchanges] == sorted(entry["t"] for entry in exchanges)

    assert re.search(r"root\S*: before the failure [0-9a-f]{16}$", (failed / "journal.txt").read_text(), re.MULTILINE)
    with (failed / "memory.kdump").open("rb") as dump:
        assert dump.read(8) == b"KDUMP   "
        assert read_vmcoreinfo(dump)["KERNELOFFSET"] == offset.decode()
    subprocess.run(["qemu-img", "check", "-q", failed / "disk.qcow2"], check=True)

    for script in ("repro.sh", "qemu.sh"):
        checker = Path(sys.executable).with_name("shellcheck")
        done = subprocess.run([checker, failed / script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    by_hand = pexpect.spawn("sh", [str(failed / "qemu.sh")], encoding="latin-1", timeout=KERNEL_STARTS_S)
    by_hand.expect("Linux version")
    by_hand.send("\x01c")
    by_hand.expect(r"\(qemu\)")
    by_hand.sendline("quit")
    by_hand.expect(pexpect.EOF)
