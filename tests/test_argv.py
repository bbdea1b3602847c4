"""Golden files of QEMU's command line: one option with its value per line.

`pytest --update-golden` rewrites them; the diff is what a reviewer reads.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from harness.config import Sources, resolve
from harness.lab import DirectBoot, device_sets, machine_spec
from harness.model import Accel, Cell, Firmware, Loader
from harness.qemu.argv import MachineSpec, build, flatten, to_text

GOLDEN = Path(__file__).parent / "testdata" / "argv"


def spec(device: str, *, accel: Accel = Accel.TCG, **cell: object) -> MachineSpec:
    chosen = Cell(image="debian-13", device_set=device, **cell)
    direct = DirectBoot(Path("/cache/vmlinuz"), Path("/cache/initrd.img"), "root=LABEL=kexec-root ro")
    return machine_spec(
        chosen,
        resolve(Sources(folder=Path("/"))),
        folder=Path("/run/m"),
        accel=accel,
        ovmf_code=None if chosen.firmware is Firmware.SEABIOS else Path("/fw/OVMF_CODE.fd"),
        seabios=Path("/fw/bios-microvm.bin") if chosen.machine == "microvm" else None,
        direct_boot=direct if chosen.loader is Loader.DIRECT else None,
    )


SPECS = {
    **{name: spec(name) for name in device_sets()},
    "firmware-ovmf": spec("e1000e", firmware=Firmware.OVMF),
    "firmware-ovmf-secboot": spec("virtio-net", firmware=Firmware.OVMF_SECBOOT),
    "loader-direct": spec("virtio-net", loader=Loader.DIRECT),
    "loader-direct-words": spec("i6300esb", loader=Loader.DIRECT),
    "accel-kvm": spec("virtio-net", accel=Accel.KVM),
    **{f"machine-{name}": spec("virtio-net", machine=name) for name in ("i440fx", "microvm")},
    "machine-microvm-direct": spec("virtio-scsi", machine="microvm", loader=Loader.DIRECT),
    "screen": structs.replace(spec("virtio-net"), screen=True),
}


@pytest.mark.parametrize("name", SPECS)
def test_command_line(name, golden):
    golden(GOLDEN / f"{name}.txt", to_text(build(SPECS[name])))


def test_every_golden_file_has_its_device_set_or_case():
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(SPECS)


def test_a_comma_in_a_path_is_written_twice():
    odd = structs.replace(spec("nvme"), root_disk=Path("/a,b/root.qcow2"))
    assert "if=none,id=root0,format=qcow2,file=/a,,b/root.qcow2,cache=unsafe" in flatten(build(odd))


def test_the_guest_gets_no_route_out():
    for name in device_sets():
        for option, value in build(spec(name)):
            if option == "-netdev" or (option == "-nic" and value != "none"):
                assert "restrict=on" in value
