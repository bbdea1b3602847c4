"""A recorded run goes the whole way again, from its machines' events to records and reports, without QEMU."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from msgspec import structs

from harness.campaign.replay import replay_cell
from harness.model import Cell, CycleEnd
from harness.report.summarise import summarise
from harness.report.write import write_reports
from harness.store import create_run, read_run, read_run_info, write_run

RECORDING = Path(__file__).parent / "testdata" / "runs" / "killed-qemu"
CELL = Cell(image="debian-13", device_set="virtio-net")


@pytest.fixture(scope="module")
def replayed(tmp_path_factory) -> Path:
    """The folder of a new run, replayed from the recording."""
    run = read_run_info(RECORDING)
    folder = create_run(tmp_path_factory.mktemp("results"), run.run_id)
    write_run(folder, run)
    replay_cell(RECORDING, CELL, folder)
    return folder


def ends(run_dir: Path) -> list[CycleEnd]:
    """Finished cycles, less what a replay cannot know: the date, and what the host's processor was busy with.

    Nor is there what the recording does not hold: memory was not yet recorded then.
    """
    records = [record for record in read_run(run_dir)[1] if isinstance(record, CycleEnd)]
    unknown = {"started_at": "", "vcpu_s": None, "vcpu_wait_s": None, "mem_available_kib": None}
    return [structs.replace(record, **unknown) for record in records]


def test_the_records_are_those_of_the_real_run(replayed):
    recorded = ends(RECORDING)
    assert [(end.method, end.outcome, end.failure_class) for end in recorded] == [
        ("kexec", "pass", None),
        ("cold", "fail", "qemu_abort"),
    ]
    assert ends(replayed) == recorded


def test_reports_come_out_of_it(replayed):
    write_reports(summarise(*read_run(replayed), margin=0.01), replayed)
    with (replayed / "cycles.csv").open(newline="") as text:
        kexec, cold = csv.DictReader(text)
    assert (kexec["path"], kexec["chain_depth"], kexec["failure_class"]) == ("kexec", "1", "")
    parts = ("shutdown_s", "handoff_s", "kernel_s", "initrd_s", "userspace_s")
    assert sum(float(kexec[part]) for part in parts) == pytest.approx(float(kexec["total_s"]))
    assert (cold["failure_class"], cold["total_s"]) == ("qemu_abort", "")
    with (replayed / "summary.csv").open(newline="") as text:
        rows = {row["method"]: row for row in csv.DictReader(text)}
    assert (rows["kexec"]["failed"], rows["cold"]["failed"]) == ("0", "1")


def test_a_recording_without_its_set_up_boot_is_refused_in_words(tmp_path):
    copy = tmp_path / "recording"
    shutil.copytree(RECORDING, copy)
    (copy / "cells" / CELL.cell_id / "events" / "setup-0000.jsonl.gz").unlink()
    with pytest.raises(Exception, match="no set-up boot was recorded before this cycle"):
        replay_cell(copy, CELL, create_run(tmp_path / "results", "r1"))
