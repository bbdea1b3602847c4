"""Results on disk: what a crash leaves is read, what is broken is named by file and line."""

from __future__ import annotations

import pytest

from harness.clock import ManualClock
from harness.errors import StoreError
from harness.model import (
    Accel,
    BootPath,
    ConsoleData,
    CycleEnd,
    CycleStart,
    FailureClass,
    Outcome,
    QmpEvent,
    RunInfo,
)
from harness.store import CellStore, create_run, new_run_id, read_events, read_records, read_run, write_run


def start(cycle: int = 0) -> CycleStart:
    return CycleStart(
        cell_id="c", cycle=cycle, block=0, order=0, method="kexec", nonce="n", started_at="2026-01-01T00:00:00+00:00"
    )


def end(cycle: int = 0) -> CycleEnd:
    return CycleEnd(
        run_id="r",
        cell_id="c",
        image="debian-13",
        device_set="virtio-net",
        firmware="seabios",
        loader="grub",
        machine="q35",
        arch="x86_64",
        accel="tcg",
        qemu_version="7.2",
        method="kexec",
        block=0,
        order=0,
        cycle=cycle,
        outcome=Outcome.FAIL,
        failure_class=FailureClass.KERNEL_PANIC,
        path=BootPath.NONE,
        started_at="2026-01-01T00:00:00+00:00",
        rule="kernel-panic",
        reason="the kernel panicked",
    )


def run_info() -> RunInfo:
    return RunInfo(
        run_id="r", harness_version="0", started_at="", seed=1, accel=Accel.TCG, accel_reason="", qemu_version="7.2"
    )


def test_what_is_appended_is_read_back(tmp_path):
    run_dir = create_run(tmp_path, "r")
    write_run(run_dir, run_info())
    with CellStore(run_dir, "c") as store:
        store.append(start())
        store.append(end())
    assert read_run(run_dir) == (run_info(), [start(), end()])


def test_a_torn_last_line_is_left_out(tmp_path):
    with CellStore(tmp_path, "c") as store:
        store.append(start())
        store.append(end())
    path = tmp_path / "cells" / "c" / "cycles.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    assert read_records(path) == [start()]


def test_a_broken_line_is_named_by_file_and_line(tmp_path):
    with CellStore(tmp_path, "c") as store:
        store.append(start())
    path = tmp_path / "cells" / "c" / "cycles.jsonl"
    path.write_bytes(path.read_bytes() + b"not json\n" + path.read_bytes())
    with pytest.raises(StoreError, match=r"cycles\.jsonl:2: "):
        read_records(path)


def test_only_one_process_writes_a_cell(tmp_path):
    with CellStore(tmp_path, "c"), pytest.raises(StoreError, match="another process is writing"):
        CellStore(tmp_path, "c")


def test_latest_points_at_the_newest_run(tmp_path):
    create_run(tmp_path, "first")
    create_run(tmp_path, "second")
    assert (tmp_path / "latest").resolve() == tmp_path / "second"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "latest", "second"]


def test_a_folder_that_is_no_run_says_so(tmp_path):
    with pytest.raises(StoreError, match=r"run\.json.*is this the folder of a run\?"):
        read_run(tmp_path)


def test_console_bytes_survive_exactly(tmp_path):
    noise = bytes(range(256))
    events = [ConsoleData(1.5, noise.decode("latin-1")), QmpEvent(2.0, "RESET", {"guest": True})]
    with CellStore(tmp_path, "c") as store:
        log = store.keep_events("000000-kexec", events)
    assert (tmp_path / log).read_bytes() == noise
    assert read_events(tmp_path / "cells" / "c" / "events" / "000000-kexec.jsonl.gz") == events


def test_a_run_id_sorts_by_time():
    assert new_run_id(ManualClock()).startswith("20000101T000000Z-")
