"""Machine types: how devices fit on them, what QEMU refuses, and how that is said."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from fake_machines import fake_machine

from harness.clock import HostClock
from harness.devices.needs import fitted, of_the_board, refusal
from harness.errors import InfraError, MachineError
from harness.host import tsc_khz
from harness.lab import Lab
from harness.model import Cell, Firmware, Loader
from harness.model.architectures import ARCHITECTURES
from harness.rehearsal import why_refused

DATA = Path(__file__).parent / "testdata" / "devices"
#: QEMU 7.2's words
NO_BUS = "qemu-system-x86_64: -device nvme,drive=data0,serial=kexecdata: No 'PCI' bus found for device 'nvme'"
NO_SYSBUS = "-device amd-iommu: Parameter 'driver' expects a dynamic sysbus device type for the machine"


@pytest.mark.parametrize(
    ("device", "on_microvm"),
    [
        ("virtio-blk-pci,drive=root0,bootindex=1", "virtio-blk-device,drive=root0,bootindex=1"),
        ("virtio-keyboard-pci", "virtio-keyboard-device"),
        ("vhost-user-fs-pci,chardev=virtiofs0", "vhost-user-fs-device,chardev=virtiofs0"),
        ("virtio-net-pci-transitional,netdev=net0", "virtio-net-pci-transitional,netdev=net0"),
        ("pci-bridge,id=virtio-net-pci", "pci-bridge,id=virtio-net-pci"),
    ],
)
def test_virtio_devices_fit_on_the_boards_bus(device, on_microvm):
    boards = ARCHITECTURES["x86_64"]
    options = [("-device", device), ("-netdev", "user,id=virtio-net-pci")]
    assert fitted(options, boards.machine("microvm")) == [("-device", on_microvm), options[1]]
    assert fitted(options, boards.machine("i440fx")) == options


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        (NO_BUS, "-device nvme,drive=data0,serial=kexecdata: No 'PCI' bus found for device 'nvme'"),
        (
            "a warning before it\n" + NO_BUS,
            "-device nvme,drive=data0,serial=kexecdata: No 'PCI' bus found for device 'nvme'",
        ),
        (f"qemu-system-x86_64: {NO_SYSBUS}", NO_SYSBUS),
        (
            "qemu-system-x86_64: Property 'microvm-machine.nvdimm' not found",
            "Property 'microvm-machine.nvdimm' not found",
        ),
        # Trouble of the host's is no word on the machine.
        ("qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory", None),
        ("qemu-system-x86_64: -drive if=none,id=root0,file=/m/root.qcow2: Could not open '/m/root.qcow2'", None),
        ("", None),
    ],
)
def test_only_a_complaint_about_the_machines_options_is_a_refusal(stderr, said):
    assert refusal(stderr) == said


def test_a_machine_that_qemu_does_not_take_is_refused_in_its_words(settings, tmp_path):
    machine = fake_machine(settings(), tmp_path, [], program=f"echo {shlex.quote(NO_BUS)} >&2; exit 1")
    assert why_refused(machine, []) == NO_BUS.partition(": ")[2]
    assert not machine.spec.folder.exists()


def test_trouble_of_the_hosts_is_no_reason_to_skip(settings, tmp_path):
    machine = fake_machine(settings(), tmp_path, [], program="echo cannot set up guest memory >&2; exit 1")
    with pytest.raises(MachineError, match="ended at once; it said: cannot set up guest memory"):
        why_refused(machine, [])
    assert not machine.spec.folder.exists()


@pytest.mark.parametrize(
    ("needed", "reason"), [([], None), (["i8042"], None), (["i8042", "ICH9-LPC"], "the board has no ICH9-LPC")]
)
def test_devices_of_the_boards_own_are_looked_for_on_it(settings, tmp_path, needed, reason):
    assert why_refused(fake_machine(settings(), tmp_path, []), needed) == reason


def test_a_device_tree_names_the_boards_devices():
    assert of_the_board('bus: isa.0\n  type ISA\n  dev: mc146818rtc, id ""\n    dev: i8042, id "x"\n    dev = 3\n') == {
        *("mc146818rtc", "i8042")
    }


@pytest.mark.parametrize(
    ("said", "khz"), [("cpu MHz\t\t: 3100.0\nbogomips\t: 5192.27\n", 2596135), ("bogomips\t: 4800.00\n", 2400000)]
)
def test_the_hosts_counter_runs_at_half_its_bogomips_whatever_the_core_runs_at(tmp_path, said, khz):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{said}")
    assert tsc_khz(tmp_path / "cpuinfo") == khz


def test_a_host_that_does_not_say_how_fast_its_counter_runs(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\n")
    with pytest.raises(InfraError, match="bogomips"):
        tsc_khz(tmp_path / "cpuinfo")


@pytest.fixture
def lab(settings, tmp_path):
    """A lab whose QEMU is a script that lists what QEMU 7.2 does, and has no machine but those that are given."""

    def make(*machines: str) -> Lab:
        lists = "".join(f"{name} a board\\n" for name in machines)
        program = tmp_path / "qemu"
        program.write_text(
            f"#!/bin/sh\ncase $1 in --version) echo version 7.2.22;; -machine) printf '{lists}';;\n"
            "-object) echo memory-backend-ram;;\n"
            f'*) cat {DATA}/qemu-7.2"$1"-help.txt;; esac\n'
        )
        program.chmod(0o755)
        return Lab(settings(qemu=str(program)), HostClock(), print)

    return make


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ({"machine": "q35"}, None),
        ({"machine": "microvm"}, "QEMU 7.2.22 has no machine type microvm"),
        ({"machine": "i440fx", "device_set": "igb"}, "QEMU 7.2.22 has no device igb"),
    ],
)
def test_a_qemu_without_the_machine_type_says_so(lab, chosen, reason):
    named = Cell(image="debian-13", **{"device_set": "virtio-net", **chosen})
    assert lab("q35", "pc").why_unsupported(named) == reason


def test_firmware_that_is_not_made_for_the_board_says_so(lab):
    on_ovmf = Cell(image="debian-13", device_set="virtio-net", machine="microvm", firmware=Firmware.OVMF)
    known = lab("microvm", "pc")
    assert known.why_unsupported(on_ovmf) == "microvm and ovmf: distros do not ship OVMF as built for it"
    on_grub = Cell(image="debian-13", device_set="virtio-net", machine="microvm")
    assert "only LOADER=direct gives it that word" in known.why_unsupported(on_grub)
    on_mmio = Cell(image="debian-13", device_set="virtio-mem", machine="microvm", loader=Loader.DIRECT)
    assert "no device virtio-mem-device" in known.why_unsupported(on_mmio)
    secure = Cell(image="debian-13-secboot", device_set="virtio-net", machine="i440fx", firmware=Firmware.OVMF_SECBOOT)
    assert known.why_unsupported(secure).startswith("i440fx and ovmf-secboot: ")


def test_secure_boot_needs_an_image_whose_boot_loaders_are_signed(lab):
    secure = {"device_set": "virtio-net", "firmware": Firmware.OVMF_SECBOOT}
    assert lab("q35").why_unsupported(Cell(image="debian-12", **secure)) == (
        "debian-12 has no boot loader that is signed (its recipe lacks shim-signed and grub-efi-amd64-signed)"
    )
    assert lab("q35").why_unsupported(Cell(image="debian-13-secboot", **secure)) is None
