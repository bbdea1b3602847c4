"""Two runs: an injected slow-down is caught, two runs of the same thing are quiet, and unfair pairs are refused."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from msgspec import structs
from report_run import NET, RUN, end, failed

from harness.cli import run
from harness.model import Accel, Cell, FailureClass, Phases, Setting
from harness.stats.runs import Kind, Side, compare_runs, mismatches
from harness.store import CellStore, create_run, write_run

BLOCKS = 30
PARTS = ("shutdown_s", "handoff_s", "kernel_s", "initrd_s", "userspace_s")
USUAL = {"kexec": (6.0, 2.7, 3.8, 5.0, 15.0), "cold": (2.7, 6.5, 4.0, 5.8, 15.0)}


def cycles(rng, *, slower=None, host: float = 1.0, cell: Cell = NET, blocks: int = BLOCKS, failures: int = 0) -> list:
    """A run on a host whose speed remembers itself; `slower` maps (method, phase) to a factor."""
    speed, found = 0.0, []
    for block in range(blocks):
        for order, method in enumerate(("kexec", "cold") if block % 2 else ("cold", "kexec")):
            speed = 0.8 * speed + rng.normal(0, 0.1)
            values = {
                name: host * np.exp(speed + rng.normal(0, 0.06)) * usual * (slower or {}).get((method, name), 1.0)
                for name, usual in zip(PARTS, USUAL[method], strict=True)
            }
            number = 2 * block + order
            if method == "kexec" and block < failures:
                found.append(failed(cell, method, number))
                continue
            phases = Phases(total_s=float(sum(values.values())), **{name: float(time) for name, time in values.items()})
            found.append(end(cell, method, number, phases=phases))
    return found


def side(records, **changes: object) -> Side:
    return Side(structs.replace(RUN, **changes), records)


def failing(before, after, **more) -> list:
    return [finding for finding in compare_runs(side(before), side(after), **more) if finding.fails]


def test_a_phase_that_one_arm_has_become_20_percent_slower_in_is_caught():
    """In 20 of 20 pairs of runs of 30 blocks, and no other phase is blamed for it in most."""
    caught = blamed = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found = failing(cycles(rng), cycles(rng, slower={("kexec", "kernel_s"): 1.2}))
        caught += any("kexec: kernel time" in finding.sentence for finding in found)
        blamed += any("kernel time" not in finding.sentence for finding in found)
    assert caught == 20
    assert blamed <= 2


def test_a_phase_that_both_arms_have_become_slower_in_is_caught_too():
    for seed in range(5):
        rng = np.random.default_rng(100 + seed)
        found = failing(cycles(rng), cycles(rng, slower={(method, "kernel_s"): 1.2 for method in USUAL}))
        assert {(finding.method, finding.kind) for finding in found} == {("kexec", Kind.TIME), ("cold", Kind.TIME)}


def test_two_runs_of_the_same_thing_are_quiet():
    """40 pairs, half of them with a host half as slow again: a false alarm in 5 % (bound: three standard errors)."""
    alarms = 0
    for seed in range(40):
        rng = np.random.default_rng(1000 + seed)
        alarms += bool(failing(cycles(rng), cycles(rng, host=1.0 + 0.5 * (seed % 2)), max_slowdown=0.0))
    assert alarms <= 6


def test_a_change_below_what_is_allowed_passes():
    rng = np.random.default_rng(1)
    before, after = cycles(rng, blocks=200), cycles(rng, blocks=200, slower={("kexec", "kernel_s"): 1.08})
    assert failing(before, after)
    assert failing(before, after, max_slowdown=0.2) == []


def test_a_worse_failure_rate_and_a_new_class_fail():
    rng = np.random.default_rng(2)
    found = {finding.kind: finding for finding in failing(cycles(rng), cycles(rng, failures=8))}
    assert found[Kind.RATE].sentence.startswith(
        "kexec in B failed 8 of 30, in A kexec 0 of 30: kexec in B is worse (p = "
    )
    assert found[Kind.NEW_CLASS].sentence.startswith("kexec: kernel_panic is new: 8 of 30, 0 of 30 in A (p = ")


def test_a_class_that_is_gone_is_shown():
    rng = np.random.default_rng(3)
    found = compare_runs(side(cycles(rng, failures=2)), side(cycles(rng)))
    assert "kexec: kernel_panic is gone: 2 of 30 in A, 0 of 30" in [finding.sentence for finding in found]
    assert not any(finding.fails for finding in found)


def test_runs_across_a_dimension():
    other = structs.replace(NET, image="debian-12")
    rng = np.random.default_rng(4)
    before, after = side(cycles(rng), cells=(NET,)), side(cycles(rng, cell=other), cells=(other,))
    assert all(not finding.is_of_both for finding in compare_runs(before, after))
    assert any(finding.kind is Kind.RATE for finding in compare_runs(before, after, across="image"))


def test_two_cells_that_become_one_are_refused():
    other = structs.replace(NET, image="debian-12")
    rng = np.random.default_rng(5)
    both = side([*cycles(rng), *cycles(rng, cell=other)], cells=(NET, other))
    with pytest.raises(ValueError, match="without its image"):
        compare_runs(both, both, across="image")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"accel": Accel.KVM}, "other accelerator: tcg and kvm"),
        ({"host": {"cpus": 64}}, "other host: cpus is 2 and 64"),
        ({"images": {"debian-13": "b" * 64}}, "other image: debian-13 was built anew (aaaaaaaaaaaa and bbbbbbbbbbbb)"),
        ({"settings": {"memory": Setting(512, "x")}}, "other machine: memory is 1024 and 512"),
    ],
)
def test_what_cannot_be_compared(changes, said):
    usual = {"host": {"cpus": 2}, "images": {"debian-13": "a" * 64}, "settings": {"memory": Setting(1024, "x")}}
    assert mismatches(side([], **usual), side([], **{**usual, **changes}), None) == [said]
    across = mismatches(side([], **usual), side([], **{**usual, **changes}), "image")
    assert (across == []) == ("images" in changes)


# ---- the command --------------------------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path):
    """Writes a run's folder."""

    def write(name: str, records, **changes: object):
        folder = create_run(tmp_path / name, name)
        write_run(folder, structs.replace(RUN, run_id=name, cells=(NET,), **changes))
        with CellStore(folder, NET.cell_id) as store:
            for record in records:
                store.append(record)
        return str(folder)

    return write


def test_the_command_says_what_has_become_worse(stored, capsys):
    rng = np.random.default_rng(6)
    before = stored("a", cycles(rng))
    after = stored("b", cycles(rng, slower={("kexec", "kernel_s"): 1.2}))
    assert run(["compare", before, before]) == 0
    assert "\nB is not shown to be worse\n" in capsys.readouterr().out
    assert run(["compare", before, after]) == 1
    out = capsys.readouterr().out
    assert "\n  FAIL  kexec: kernel time against cold's is 1." in out
    assert run(["compare", before, after, "--json"]) == 1
    found = [msgspec.json.decode(line) for line in capsys.readouterr().out.splitlines()]
    assert any(one["fails"] and one["kind"] == "time" and 1.1 < one["ratio"] < 1.35 for one in found)
    assert run(["compare", before, after, "--max-slowdown", "50%"]) == 0


def test_the_command_refuses_what_is_unfair_unless_told(stored, capsys):
    rng = np.random.default_rng(7)
    before, after = stored("a", cycles(rng)), stored("b", cycles(rng), accel=Accel.KVM)
    assert run(["compare", before, after]) == 4
    assert "cannot be compared: other accelerator: tcg and kvm\n  give --anyway" in capsys.readouterr().err
    assert run(["compare", before, after, "--anyway"]) == 0
    assert "note: compared anyway: other accelerator: tcg and kvm\n" in capsys.readouterr().out


def test_a_new_class_can_be_allowed(stored):
    rng = np.random.default_rng(8)
    before = stored("a", cycles(rng))
    after = stored("b", [*cycles(rng), failed(NET, "kexec", 61, failure_class=FailureClass.NO_READY)])
    assert run(["compare", before, after]) == 1
    assert run(["compare", before, after, "--allow-new-classes"]) == 0


def test_a_folder_that_is_no_run(tmp_path, stored, capsys):
    assert run(["compare", str(tmp_path / "none"), str(tmp_path)]) == 4
    assert "no such folder" in capsys.readouterr().err
    other = stored("c", [end(Cell(image="x", device_set="y"), "kexec", 0)])
    assert run(["compare", stored("a", [end(NET, "kexec", 0)]), other]) == 4
    assert "no cell and method is in both runs" in capsys.readouterr().err
