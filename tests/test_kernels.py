"""The kernels that a cell reboots from and to: how they are written, found in an image, and kept to in a campaign."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
from simulated_machine import SimulatedMachine

from harness.artefacts.collect import Collector, Wanted
from harness.campaign.records import Identity
from harness.campaign.runner import CellCampaign
from harness.campaign.stopping import StopSettings
from harness.clock import ManualClock
from harness.config import expand, read_matrix
from harness.errors import ConfigError, MachineError
from harness.lab import Lab, device_sets, known_names, methods
from harness.model import Accel, Cell, CycleEnd, CycleStart, KernelChoice, Loader, Outcome, find_release, kernel_choice
from harness.store import RECORDS, CellStore, read_records

OLD, NEW = "6.1.0-44-amd64", "6.12.95+deb12-amd64"


# ---- words ----------------------------------------------------------------------------------------------------


def test_what_people_write():
    assert kernel_choice("default") is None
    assert kernel_choice("6.12") == KernelChoice("6.12", "6.12")
    assert kernel_choice("6.12->6.1.0-44") == KernelChoice("6.12", "6.1.0-44")


@pytest.mark.parametrize("text", ["", "->", "6.1->", "->6.1", "6.1->6.2->6.3", "linux", "6..1", "6.1 ->6.2", "$(x)"])
def test_what_is_no_kernel(text):
    with pytest.raises(ValueError, match="is no kernel: it is default, a version"):
        kernel_choice(text)


def test_a_version_fits_by_whole_parts():
    assert find_release([OLD, NEW], "6.1") == OLD
    assert find_release([OLD, NEW], "6.12") == NEW
    assert find_release([OLD, NEW], OLD) == OLD
    with pytest.raises(ValueError, match=r"has no kernel 6\.9; it has 6\.1\.0-44-amd64, 6\.12\.95"):
        find_release([OLD, NEW], "6.9")
    with pytest.raises(ValueError, match=r"'6' may be .* or .*: write more of it"):
        find_release([OLD, NEW], "6")


def test_a_cells_name_has_its_kernels_and_no_sign_that_a_shell_would_take():
    cell = Cell(image="debian-12", device_set="nvme", kernel="6.1->6.12")
    assert cell.cell_id == "debian-12+nvme+seabios+6.1-to-6.12"


# ---- what an image has ----------------------------------------------------------------------------------------


def test_an_image_without_the_kernel_is_said_with_those_that_have_several(settings, monkeypatch):
    monkeypatch.setattr(Lab, "image", lambda *_: SimpleNamespace(kernels=(OLD,), kernel_release=OLD))
    lab = Lab(settings(kernel="6.1->6.12"), ManualClock(), lambda _: None)
    assert lab.kernels(Cell(image="debian-12", device_set="nvme", kernel="6.1")) == KernelChoice(OLD, OLD)
    with pytest.raises(ConfigError) as caught:
        lab.kernels(Cell(image="debian-12", device_set="nvme", kernel="6.1->6.12"))
    assert str(caught.value).startswith(f"command line --kexec-kernel: debian-12: has no kernel 6.12; it has {OLD}\n")
    assert "debian-12-backports" in str(caught.value)


def test_a_direct_boot_cannot_go_from_one_kernel_to_another(settings):
    wanted = settings(kernel="6.12,6.12->7.3", loader="grub,direct")
    found = expand(read_matrix(wanted.matrix), wanted, known_names(wanted))
    assert [(cell.loader, cell.kernel) for cell in found.cells] == [
        (Loader.GRUB, "6.12"),
        (Loader.GRUB, "6.12->7.3"),
        (Loader.DIRECT, "6.12"),
    ]
    assert "QEMU's -kernel is one kernel" in found.excluded[0].reason


# ---- campaigns --------------------------------------------------------------------------------------------------


@pytest.fixture
def campaign(tmp_path, monkeypatch):
    """Runs one from kernel to kernel: what it said, and its finished cycles."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr(CellStore, "keep_events", lambda self, name, events: f"{name}.log")

    def run(kernels: KernelChoice, machine: type[SimulatedMachine] = SimulatedMachine, **failing: float):
        said: list[str] = []
        clock, rng = ManualClock(), random.Random(1)
        cell = Cell(image="debian-12", device_set="virtio-net", kernel="6.1->6.12")
        with CellStore(tmp_path, cell.cell_id) as store:
            CellCampaign(
                cell,
                [methods()[name] for name in ("kexec", "cold")],
                device_sets()["virtio-net"],
                identity=Identity("r1", Accel.TCG, "7.2.22"),
                seed=1,
                blocks=3,
                stop=StopSettings(stop="fixed", margin=0.01),
                make_machine=lambda: machine(clock, rng, failing),
                kernels=kernels,
                store=store,
                artefacts=Collector(tmp_path, Wanted(), lambda _: None),
                say=said.append,
            ).run()
        records = read_records(store.folder / RECORDS)
        assert sum(isinstance(record, CycleStart) for record in records) == 6
        return said, [record for record in records if isinstance(record, CycleEnd)]

    return run


def test_every_reboot_goes_from_the_first_kernel_to_the_second(campaign):
    said, ends = campaign(KernelChoice(OLD, NEW))
    assert {end.outcome for end in ends} == {Outcome.PASS}
    assert {(end.kernel_before, end.kernel_after) for end in ends} == {(OLD, NEW)}
    # Each kexec starts from a cold boot: the way back is one.
    assert {end.chain_depth for end in ends if end.method == "kexec"} == {1}
    assert sum(f"a cold reboot to {OLD} (set-up, not counted)" in line for line in said) == 6


def test_one_kernel_takes_no_way_back_once_it_runs(campaign):
    said, ends = campaign(KernelChoice(NEW, NEW))
    assert {(end.kernel_before, end.kernel_after) for end in ends} == {(NEW, NEW)}
    assert sum("(set-up, not counted)" in line and "cold reboot" in line for line in said) == 1


def test_after_a_failure_the_next_machine_is_brought_to_the_first_kernel_too(campaign):
    _, ends = campaign(KernelChoice(OLD, NEW), kexec=1.0)
    assert [end.outcome for end in ends if end.method == "kexec"] == [Outcome.FAIL] * 3
    assert {end.kernel_before for end in ends} == {OLD}


class Stubborn(SimulatedMachine):
    """A machine whose boot loader starts the same kernel whatever it is told."""

    def run(self, script, *, purpose="script", timeout=120.0):
        return super().run(script, purpose="other" if purpose == "kernel" else purpose, timeout=timeout)


def test_a_boot_loader_that_starts_another_kernel_ends_the_cell(campaign):
    with pytest.raises(MachineError, match=f"{OLD} was to run, and it is 6.12.0-default"):
        campaign(KernelChoice(OLD, NEW), Stubborn)


class Deaf(SimulatedMachine):
    """A machine that does not answer any more when it is to be brought back to the first kernel for the second time."""

    brought_back = 0

    def run(self, script, *, purpose="script", timeout=120.0):
        if purpose == "kernel" and f"release={OLD}\n" in script:
            self.brought_back += 1
            if self.brought_back == 2:
                raise MachineError("the guest did not answer")
        return super().run(script, purpose=purpose, timeout=timeout)


def test_a_machine_that_cannot_be_brought_back_is_replaced(campaign):
    said, ends = campaign(KernelChoice(OLD, NEW), Deaf)
    assert [end.outcome for end in ends] == [Outcome.PASS] * 6
    assert sum("another machine, as this one could not be asked" in line and "not answer" in line for line in said) == 5
