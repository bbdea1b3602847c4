"""The command line: what it prints for people and programs, and how it ends when something is wrong."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from harness import host
from harness.cli import cli, run
from harness.model import Accel, BootPath, Cell, CycleEnd, Outcome, Phases, RunInfo, Setting
from harness.store import CellStore, create_run, write_run

COMMAND = [sys.executable, "-c", "from harness.cli import main; main()"]
CELL = Cell(image="debian-13", device_set="nvme")


@pytest.fixture
def outcome(capsys):
    """Carries out a command line in this process: exit status, stdout, stderr."""

    def carry_out(*arguments: object) -> tuple[int, str, str]:
        status = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return carry_out


def objects(text: str) -> list[dict]:
    """The objects of JSON Lines."""
    return [msgspec.json.decode(line) for line in text.splitlines()]


# ---- matrix and images --------------------------------------------------------------------------------------


def test_the_cells_that_would_run(outcome, tmp_path):
    status, out, err = outcome("matrix", "list", "--results", str(tmp_path))
    cost = "10 blocks, 0.26 h: kexec 45 s (default), cold 45 s (default)"
    assert (status, out) == (0, f"debian-13+virtio-net+seabios  {cost}\n")
    assert err.endswith("is known\n")
    status, out, _ = outcome("matrix", "list", "--device", "nvme,e1000e", "--json", "--results", str(tmp_path))
    assert status == 0
    cost = {
        "blocks": 10,
        "estimated_hours": 0.2625,
        "cycle_seconds": {"kexec": 45.0, "cold": 45.0},
        "seconds_from": {"kexec": "default", "cold": "default"},
    }
    assert objects(out) == [
        {
            "cell_id": f"debian-13+{device}+seabios",
            "image": "debian-13",
            "device_set": device,
            "firmware": "seabios",
            "loader": "grub",
            "kernel": "default",
            "machine": "q35",
            "arch": "x86_64",
            **cost,
        }
        for device in ("nvme", "e1000e")
    ]


def test_cells_left_out_are_told_beside_the_list(outcome):
    status, out, err = outcome("matrix", "list", "--loader", "direct", "--firmware", "seabios,ovmf")
    assert (status, out.split()[0]) == (0, "debian-13+virtio-net+seabios+direct")
    assert err.startswith("not run: debian-13+virtio-net+ovmf+direct: OVMF starts")


def test_the_environment_counts(outcome, monkeypatch):
    monkeypatch.setenv("KEXEC_DEVICE", "ahci")
    assert outcome("matrix", "list")[1].startswith("debian-13+ahci+seabios ")
    assert outcome("matrix", "list", "--device=nvme")[1].startswith("debian-13+nvme+seabios ")


def test_one_cell(outcome):
    status, out, _ = outcome("matrix", "show", "debian-13+nvme+ovmf", "--memory", "2048")
    lines = out.splitlines()
    assert status == 0
    assert lines[0] == "cell_id: debian-13+nvme+ovmf"
    assert "selections: full" in lines
    assert "-m 2048" in lines
    assert "-device nvme,drive=data0,serial=kexecdata" in lines


def test_one_cell_for_programs(outcome):
    [cell] = objects(outcome("matrix", "show", "debian-13+virtio-net+ovmf+direct", "--json")[1])
    assert cell["cell_id"] == "debian-13+virtio-net+ovmf+direct"
    assert "matrix.toml:" in cell["excluded"]
    assert cell["selections"] == []
    assert cell["argv"][:2] == ["-name", "kexec-harness-debian-13+virtio-net+ovmf+direct"]
    assert cell["argv"][cell["argv"].index("-append") + 1].startswith("root=LABEL=kexec-root ro ")


def test_images(outcome):
    status, out, _ = outcome("images", "list", "--json")
    assert status == 0
    assert {"debian-12": "bookworm", "debian-13": "trixie"}.items() <= {
        image["name"]: image["release"] for image in objects(out)
    }.items()
    assert "debian trixie" in outcome("images", "list")[1]


def test_an_unknown_image_is_not_built(outcome):
    status, out, err = outcome("images", "build", "debian-31")
    assert (status, out) == (4, "")
    debians = "debian-11, debian-12, debian-12-backports, debian-13, debian-13-backports, debian-13-secboot"
    known = f"alpine, {debians}, debian-sid, debian-testing, micro"
    assert err == f"kexec-harness: unknown image 'debian-31'; known: {known}; did you mean debian-13?\n"


# ---- doctor -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("worst", "status"), [(host.Status.WARN, 0), (host.Status.FAIL, 1)])
def test_doctor_prints_findings_and_fails_only_for_a_failed_one(outcome, monkeypatch, worst, status):
    findings = [
        host.Finding("qemu", host.Status.OK, "7.2", "machines can be started"),
        host.Finding("disk", worst, "1 MiB free", "make room"),
    ]
    monkeypatch.setattr(host, "doctor", lambda **_: findings)
    assert outcome("doctor") == (
        status,
        (
            "ok    qemu  7.2\n            machines can be started\n"
            f"{worst.value:4}  disk  1 MiB free\n            make room\n"
        ),
        "",
    )
    seen, out, _ = outcome("doctor", "--json")
    assert seen == status
    assert objects(out)[1] == {
        "name": "disk",
        "status": worst.value,
        "value": "1 MiB free",
        "consequence": "make room",
    }


# ---- report -------------------------------------------------------------------------------------------------


def finished(cycle: int, method: str, seconds: float) -> CycleEnd:
    path = BootPath.KEXEC if method == "kexec" else BootPath.FIRMWARE
    return CycleEnd(
        run_id="r1",
        cell_id=CELL.cell_id,
        image=CELL.image,
        device_set=CELL.device_set,
        firmware=CELL.firmware,
        loader=CELL.loader,
        machine=CELL.machine,
        arch=CELL.arch,
        accel="tcg",
        qemu_version="7.2.0",
        method=method,
        block=cycle // 2,
        order=cycle % 2,
        cycle=cycle,
        outcome=Outcome.PASS,
        failure_class=None,
        path=path,
        started_at="2026-01-01T00:00:00+00:00",
        rule="ready",
        reason="as expected",
        phases=Phases(total_s=seconds),
    )


@pytest.fixture
def run_dir(tmp_path):
    """The folder of a run with two blocks, all passed."""
    folder = create_run(tmp_path / "results", "r1")
    info = RunInfo(
        run_id="r1",
        harness_version="0.1.0",
        started_at="2026-01-01T00:00:00+00:00",
        seed=1,
        accel=Accel.TCG,
        accel_reason="TCG was asked for",
        qemu_version="7.2.0",
        cells=(CELL,),
        settings={"margin": Setting(0.25, "default")},
    )
    write_run(folder, info)
    with CellStore(folder, CELL.cell_id) as store:
        for cycle, (method, seconds) in enumerate([("kexec", 10.0), ("cold", 20.0), ("cold", 22.0), ("kexec", 11.0)]):
            store.append(finished(cycle, method, seconds))
    return folder


def test_reports_are_derived_from_the_records_alone(outcome, run_dir):
    status, out, err = outcome("report", run_dir)
    assert (status, err) == (0, "")
    assert out.startswith("kexec-harness run r1\n")
    assert CELL.cell_id in out
    rows = (run_dir / "cycles.csv").read_text().splitlines()
    assert len(rows) == 1 + 4
    for name in ("cycles.csv", "summary.csv"):
        (run_dir / name).unlink()
    outcome("report", run_dir)
    assert (run_dir / "cycles.csv").read_text().splitlines() == rows
    assert (run_dir / "summary.csv").is_file()


def test_a_run_is_judged_with_its_own_margin(outcome, run_dir):
    outcome("report", run_dir)
    rows = csv.DictReader((run_dir / "summary.csv").read_text().splitlines())
    assert {row["margin"] for row in rows if row["method"] == "kexec"} == {"0.25"}
    text = (run_dir / "run.json").read_text()
    (run_dir / "run.json").write_text(text.replace("0.25", '"wide"'))
    status, _, err = outcome("report", run_dir)
    assert (status, err) == (3, "kexec-harness: run.json: settings.margin: Expected `float`, got `str`\n")


def test_a_folder_that_is_no_run(outcome, tmp_path):
    status, out, err = outcome("report", tmp_path)
    assert (status, out) == (3, "")
    assert err == f"kexec-harness: {tmp_path}/run.json: No such file or directory; is this the folder of a run?\n"
    assert outcome("report", tmp_path / "none") == (
        4,
        "",
        f"kexec-harness: {tmp_path}/none: no such folder\n  name the folder of a run, such as results/latest\n",
    )


# ---- endings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--blocks", "3"], "No such option '--blocks'"),
        (["mtrix"], "No such command 'mtrix'"),
        (["report"], "Missing argument 'RUN_DIR'"),
        (["matrix", "list", "--select", "smok"], "command line --select: unknown selection 'smok'; known: default"),
        (["matrix", "list", "--matrix", "none.toml"], "none.toml: cannot be read"),
        (["matrix", "show", "debian-13+nvem+seabios"], "did you mean debian-13+nvme+seabios?"),
    ],
)
def test_a_wrong_command_line_ends_with_4_and_one_message(outcome, arguments, message):
    status, out, err = outcome(*arguments)
    assert (status, out) == (4, "")
    assert message in err
    assert "Traceback" not in err


def test_help_and_version(outcome):
    status, out, _ = outcome("--help")
    assert status == 0
    commands = {"bisect", "classify", "compare", "doctor", "images", "matrix", "merge", "plan", "report", "selftest"}
    assert commands == set(cli.commands)
    assert all(command in out for command in cli.commands)
    assert outcome("--version")[:2] == (0, "kexec-harness, version 0.1.0\n")


def test_ctrl_c_is_no_traceback(outcome, monkeypatch):
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(host, "doctor", interrupted)
    assert outcome("doctor") == (130, "", "kexec-harness: interrupted\n")


def test_a_reader_that_has_had_enough_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "matrix", "list", "--select", "full", "--device", "nvme"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_command_that_is_installed():
    command = Path(sys.executable).with_name("kexec-harness")
    done = subprocess.run([command, "matrix", "list"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()[0]) == (0, "debian-13+virtio-net+seabios")
