"""Artefacts of a failed cycle, each held against something recorded or made up, without a machine."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from paths import PROJECT

from harness.artefacts import console, journal, limits, memory, qmp_log
from harness.artefacts.case import MIB, Case, NotTaken, Rerun, Wanted
from harness.artefacts.collect import RECORDS, STATE, Collector, report, take_records, take_state
from harness.campaign.replay import replay_cell
from harness.clock import Deadline, HostClock
from harness.config import Sources, resolve
from harness.errors import MachineError
from harness.host.tools import find_tool
from harness.images.disk import ROOT_START_MIB
from harness.lab import machine_spec
from harness.model import Accel, BootPath, Cell, CycleEnd, FailureClass, Firmware, Outcome
from harness.qemu.machine import Inspection
from harness.qemu.qmp import Exchange
from harness.qemu.replay import ReplayMachine
from harness.store import create_run, read_run_info, write_run

CELL = Cell(image="debian-13", device_set="virtio-net")
HOSTILE = "the kernel panicked: \x1b]0;owned\x07 $(touch owned) `touch owned`\n echo owned"


def end(**changes: object) -> CycleEnd:
    """A cycle that ended in a panic."""
    values: dict = {
        "run_id": "r1",
        "cell_id": CELL.cell_id,
        "image": CELL.image,
        "device_set": CELL.device_set,
        "firmware": "seabios",
        "loader": "grub",
        "machine": "q35",
        "arch": "x86_64",
        "accel": "tcg",
        "qemu_version": "7.2.22",
        "method": "kexec",
        "block": 4,
        "order": 1,
        "cycle": 9,
        "outcome": Outcome.FAIL,
        "failure_class": FailureClass.KERNEL_PANIC,
        "path": BootPath.NONE,
        "started_at": "2026-01-02T03:04:05+00:00",
        "rule": "panic",
        "reason": "the kernel panicked",
    }
    return CycleEnd(**{**values, **changes})


def inspection(folder: Path, monitor: object = None, firmware: Firmware = Firmware.SEABIOS) -> Inspection:
    """The inside of a machine whose private folder is `folder`."""
    spec = machine_spec(
        Cell(image="debian-13", device_set="virtio-net", firmware=firmware),
        resolve(Sources(folder=Path("/"))),
        folder=folder,
        accel=Accel.TCG,
        ovmf_code=None if firmware is Firmware.SEABIOS else Path("/fw/OVMF_CODE.fd"),
    )
    return Inspection(qemu=Path("/usr/bin/qemu-system-x86_64"), spec=spec, stderr="", exchanges=[], monitor=monitor)


def rerun(project: Path = PROJECT, **settings: str) -> Rerun:
    named = {"IMAGE": "debian-13", "METHODS": "kexec,cold", "SEED": "7", "CACHE_DIR": "/cache/it's here", **settings}
    return Rerun(
        settings=named,
        project=project,
        qemu_version="7.2.22",
        image="debian-13",
        sha256="ab" * 32,
        disk=Path("/cache/disk.raw"),
        root_bytes=16 * MIB,
    )


def case(folder: Path, **changes: object) -> Case:
    folder.mkdir(parents=True, exist_ok=True)
    values: dict = {
        "folder": folder,
        "end": end(),
        "events": (),
        "console": None,
        "console_before": None,
        "machine": ReplayMachine([]),
        "inspection": None,
        "wanted": Wanted(),
        "rerun": rerun(),
        "symbols": None,
        "boot_before": None,
        "up": False,
        "deadline": Deadline.after(HostClock(), 60),
    }
    return Case(**{**values, **changes})


# ---- all of them ------------------------------------------------------------------------------------------------


def test_a_replayed_failure_has_what_its_evidence_gives_and_says_why_the_rest_is_missing(tmp_path):
    recording = PROJECT / "tests/testdata/runs/killed-qemu"
    run = read_run_info(recording)
    run_dir = create_run(tmp_path, run.run_id)
    write_run(run_dir, run)
    replay_cell(recording, CELL, run_dir)
    [folder] = (run_dir / "cells" / CELL.cell_id / "failures").iterdir()
    assert folder.name == "000001-cold"
    assert (folder / "console.log").read_bytes() == (folder.parents[1] / "console/000001-cold.log").read_bytes()
    before = (folder.parents[1] / "console/000000-kexec.log").read_bytes()
    assert (folder / "console-before.log").read_bytes() == before
    assert "QEMU ended" in (folder / "qmp.jsonl").read_text()
    listed = (folder / "artefacts.txt").read_text()
    assert "cycle 1 (cold): qemu_abort" in listed
    assert "registers.txt        not taken: this is a recording, not a machine" in listed
    assert all(artefact.file in listed for artefact in (*STATE, *RECORDS))


class Deaf:
    """The monitor of a QEMU that hangs: it answers nothing."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def execute(self, command: str, arguments: object = None, *, timeout: float = 10.0) -> object:
        self.asked.append(command)
        raise MachineError(f"QEMU did not answer {command} within {timeout:.0f} s")

    def monitor(self, line: str, cpu: int | None = None) -> str:
        raise AssertionError("asked a QEMU that hangs")


def test_a_qemu_that_hangs_is_asked_once_and_what_needs_no_answer_is_kept(tmp_path):
    deaf = Deaf()
    given = case(tmp_path / "f", inspection=inspection(tmp_path, deaf), wanted=Wanted(memory=True))
    report(given, take_state(given) + take_records(given), "a cell, cycle 7 (kexec): kernel_panic")
    assert deaf.asked == ["stop"]
    listed = (tmp_path / "f/artefacts.txt").read_text()
    assert "registers.txt        not taken: QEMU does not run any more, or does not answer" in listed
    assert "memory.kdump         not taken: QEMU does not run any more" in listed
    assert (tmp_path / "f/repro.sh").exists()
    assert (tmp_path / "f/argv.txt").read_text().startswith("/usr/bin/qemu-system-x86_64\n-name ")


class Standing(ReplayMachine):
    """A machine with an inside, whose guest runs no more."""

    def __init__(self, inside: Inspection) -> None:
        super().__init__([])
        self._inside = inside

    def inspect(self) -> Inspection:
        return self._inside


def test_what_was_taken_before_a_reset_is_not_taken_again_after_it(tmp_path):
    collector = Collector(tmp_path, Wanted(), print, rerun=rerun())
    asked = Deaf()
    before = make_overlay(tmp_path, {"var/log/journal/0123/system.journal": b"before"})
    machine = Standing(inspection(before.parent, asked))
    collector.before_reset("000009-kexec", CELL.cell_id, machine, boot_before=None)
    before.unlink()
    folder = collector.collect("000009-kexec", end(), machine)
    assert asked.asked == ["stop"]
    listed = (folder / "artefacts.txt").read_text()
    assert "The guest asked for a reset; registers.txt, " in listed
    assert listed.count("journal.txt ") == 1
    assert (folder / "journal/system.journal").read_bytes() == b"before"
    assert (folder / "repro.sh").exists()


def test_a_cycle_that_passes_after_all_leaves_nothing(tmp_path):
    collector = Collector(tmp_path, Wanted(), print)
    collector.before_reset("000009-kexec", CELL.cell_id, Standing(inspection(tmp_path, Deaf())), boot_before=None)
    collector.forget("000009-kexec", CELL.cell_id)
    assert list((tmp_path / "cells" / CELL.cell_id / "failures").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said_and_fails_nothing(tmp_path):
    said: list[str] = []
    (tmp_path / "cells").write_text("in the way")
    collector = Collector(tmp_path, Wanted(), said.append)
    assert collector.collect("000009-kexec", end(), ReplayMachine([])) is None
    assert "not every artefact could be kept" in said[0]


def test_a_monitor_is_no_display(tmp_path):
    class Headless(Deaf):
        def execute(self, command: str, arguments: object = None, *, timeout: float = 10.0) -> object:
            raise MachineError("QEMU refused screendump: There is no console to take a screendump from.")

    screen = next(artefact for artefact in STATE if artefact.file == "screen.png")
    with pytest.raises(NotTaken, match="the machine has no display"):
        screen.take(case(tmp_path, inspection=inspection(tmp_path, Headless())))


def test_the_console_is_a_second_name_of_the_same_file(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"Kernel panic\xff")
    console.take(case(tmp_path / "f", console=log))
    assert log.samefile(tmp_path / "f/console.log")


# ---- QMP log ----------------------------------------------------------------------------------------------------


def test_the_qmp_log_is_in_order_and_a_huge_entry_is_cut(tmp_path):
    exchanges = [
        Exchange(1.0, "event", "RESUME", {}),
        Exchange(2.0, "command", "stop"),
        Exchange(3.0, "reply", "human-monitor-command", "\x1b[31m" + "x" * 100_000),
    ]
    lines = [json.loads(line) for line in qmp_log.lines(exchanges)]
    assert [(line["t"], line["kind"], line["name"]) for line in lines[:2]] == [
        (1.0, "event", "RESUME"),
        (2.0, "command", "stop"),
    ]
    assert lines[2]["data"].endswith("bytes, left out")
    assert all(b"\x1b" not in line for line in qmp_log.lines([Exchange(1.0, "event", "X", {"text": "\x1b[31m"})]))


# ---- limits -----------------------------------------------------------------------------------------------------


def large(run_dir: Path, cycle: str, name: str, taken: int, size: int = MIB) -> Path:
    path = run_dir / "cells/c/failures" / cycle / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (taken, taken))
    return path


def test_the_oldest_large_files_go_first_and_it_is_said(tmp_path):
    first = large(tmp_path, "000001-kexec", "memory.kdump", 100)
    second = large(tmp_path, "000002-kexec", "memory.kdump", 200)
    third = large(tmp_path, "000003-kexec", "journal/system.journal", 300)
    small = large(tmp_path, "000001-kexec", "repro.sh", 50, size=1000)
    said: list[str] = []
    assert limits.enforce(tmp_path, int(1.5 * MIB), said.append) == [first, second]
    assert [path.exists() for path in (first, second, third, small)] == [False, False, True, True]
    assert said[0].startswith("dropped cells/c/failures/000001-kexec/memory.kdump (1.0 MiB): ARTEFACTS_MIB allows")
    assert (tmp_path / "artefacts-dropped.txt").read_text().splitlines() == said
    assert (tmp_path / "cells/c/failures/000001-kexec/artefacts.txt").read_text().splitlines() == said[:1]
    assert limits.enforce(tmp_path, int(1.5 * MIB), said.append) == []


def test_a_second_name_of_a_console_neither_counts_nor_is_dropped(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"x" * MIB)
    linked = tmp_path / "cells/c/failures/000001-kexec/console.log"
    linked.parent.mkdir(parents=True)
    linked.hardlink_to(log)
    assert limits.enforce(tmp_path, 1, lambda _: None) == []
    assert linked.exists()


def test_a_dump_larger_than_all_artefacts_may_be_is_not_begun(tmp_path):
    given = case(tmp_path, inspection=inspection(tmp_path, Deaf()), wanted=Wanted(memory=True, limit_bytes=100 * MIB))
    with pytest.raises(NotTaken, match="takes 1024 MiB; ARTEFACTS_MIB allows 100 MiB in all"):
        memory.take(given)


# ---- memory -----------------------------------------------------------------------------------------------------


def flattened(pieces: list[tuple[int, bytes]]) -> bytes:
    body = b"".join(struct.pack(">qq", offset, len(data)) + data for offset, data in pieces)
    return b"makedumpfile".ljust(4096, b"\0") + body + struct.pack(">qq", -1, -1)


NOTE = b"OSRELEASE=6.12.0-amd64\nBUILD-ID=b1d7\nKERNELOFFSET=6c00000\n"
SUBHEADER = struct.pack("<QiiQQQQ", 0, 1, 0, 0, 0, 8192, len(NOTE))


def test_a_dump_is_put_together_and_says_which_kernel_it_is_of(tmp_path):
    dump = tmp_path / "memory.kdump"
    pieces = [(8192, NOTE), (0, b"KDUMP   \x06\0\0\0".ljust(464, b"\0")), (4096, SUBHEADER)]
    with dump.open("wb") as target:
        memory.unflatten(io.BytesIO(flattened(pieces)), target)
    assert memory.mend(dump) == {"OSRELEASE": "6.12.0-amd64", "BUILD-ID": "b1d7", "KERNELOFFSET": "6c00000"}
    content = dump.read_bytes()
    # struct new_utsname: sysname first, release third, 65 bytes each
    assert (content[12:18], content[12 + 130 : 12 + 130 + 13]) == (b"Linux\0", b"6.12.0-amd64\0")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x7fELF" + bytes(5000), "another format"),
        (flattened([(0, b"KDUMP   ")])[:-20], "cut short"),
        (flattened([])[:-16] + struct.pack(">qq", 0, 1 << 40), "cut short"),
    ],
)
def test_a_dump_that_is_none_is_refused(data, problem):
    with pytest.raises(NotTaken, match=problem):
        memory.unflatten(io.BytesIO(data), io.BytesIO())


# ---- journal ----------------------------------------------------------------------------------------------------


def test_boots_are_read_from_both_forms_of_the_list():
    old = "IDX BOOT ID                          FIRST ENTRY\n -1 " + "a" * 32 + " Mon\n  0 " + "b" * 32 + " Tue\n"
    new = json.dumps([{"index": -1, "boot_id": "a" * 32}, {"index": 0, "boot_id": "b" * 32}])
    assert list(journal.boot_ids(old)) == list(journal.boot_ids(new)) == ["a" * 32, "b" * 32]
    assert list(journal.boot_ids("No journal files were found.\n")) == []


def make_overlay(tmp_path: Path, content: dict[str, bytes]) -> Path:
    """A disk as images have it, with these files on its root file system, and an overlay on it."""
    tree = tmp_path / "tree"
    for name, data in content.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(data)
    disk, overlay = tmp_path / "disk.raw", tmp_path / "machine/root.qcow2"
    overlay.parent.mkdir()
    with disk.open("wb") as file:
        file.truncate((ROOT_START_MIB + 16) * MIB)
    offset = f"offset={ROOT_START_MIB * MIB}"
    commands = (
        [str(find_tool("mke2fs")), "-q", "-t", "ext4", "-d", str(tree), "-E", offset, str(disk), "16384"],
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(disk), "-F", "raw", str(overlay)],
    )
    for command in commands:
        subprocess.run(command, check=True, capture_output=True)
    return overlay


def test_the_journal_comes_off_the_disk_and_the_disk_stays_as_it_was(tmp_path):
    content = {
        "var/log/journal/0123/system.journal": b"not one",
        "var/log/journal/0123/a; touch owned.journal": b"",
        "var/log/journal/elsewhere/user-1000.journal": b"",
        "etc/hostname": b"guest",
    }
    overlay = make_overlay(tmp_path, content)
    before = overlay.read_bytes()
    remarks = journal.take(case(tmp_path / "f", inspection=inspection(overlay.parent)))
    assert (tmp_path / "f/journal/system.journal").read_bytes() == b"not one"
    assert {path.name for path in (tmp_path / "f/journal").iterdir()} == {"system.journal"}
    assert len(remarks) == 1
    assert overlay.read_bytes() == before
    assert {path.name for path in overlay.parent.iterdir()} == {"root.qcow2"}


def test_a_disk_without_a_journal_says_so(tmp_path):
    overlay = make_overlay(tmp_path, {"etc/hostname": b"guest"})
    with pytest.raises(NotTaken, match="there is no journal on the disk"):
        journal.take(case(tmp_path / "f", inspection=inspection(overlay.parent)))


def test_a_disk_that_is_none_says_what_the_tool_said(tmp_path):
    machine = tmp_path / "machine"
    machine.mkdir()
    (machine / "root.qcow2").write_bytes(b"nonsense")
    with pytest.raises(NotTaken, match="qemu-img failed"):
        journal.take(case(tmp_path / "f", inspection=inspection(machine)))
    assert shutil.which("qemu-img")
