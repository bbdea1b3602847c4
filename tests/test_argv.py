"""Golden files of QEMU's command line: one option with its value per line.

`pytest --update-golden` rewrites them; the diff is what a reviewer reads.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.lab import device_sets
from harness.model import Accel, Cell, Firmware, Loader
from harness.qemu.argv import MachineSpec, build, flatten, to_text

GOLDEN = Path(__file__).parent / "testdata" / "argv"


def spec(device: str, *, accel: Accel = Accel.TCG, **cell: object) -> MachineSpec:
    chosen = Cell(image="debian-13", device_set=device, **cell)
    ovmf = chosen.firmware is Firmware.OVMF
    direct = chosen.loader is Loader.DIRECT
    return MachineSpec(
        cell=chosen,
        accel=accel,
        memory_mib=1024,
        cpus=2,
        folder=Path("/run/m"),
        root_disk=Path("/run/m/root.qcow2"),
        data_disk=Path("/run/m/data.raw"),
        device_set=device_sets()[device],
        ovmf_code=Path("/fw/OVMF_CODE.fd") if ovmf else None,
        ovmf_vars=Path("/run/m/ovmf-vars.fd") if ovmf else None,
        kernel=Path("/cache/vmlinuz") if direct else None,
        initrd=Path("/cache/initrd.img") if direct else None,
        cmdline="root=LABEL=kexec-root ro console=ttyS0,115200" if direct else None,
    )


SPECS = {
    **{name: spec(name) for name in device_sets()},
    "firmware-ovmf": spec("e1000e", firmware=Firmware.OVMF),
    "loader-direct": spec("virtio-net", loader=Loader.DIRECT),
    "accel-kvm": spec("virtio-net", accel=Accel.KVM),
}


@pytest.mark.parametrize("name", SPECS)
def test_command_line(name, golden):
    golden(GOLDEN / f"{name}.txt", to_text(build(SPECS[name])))


def test_every_golden_file_has_its_device_set_or_case():
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(SPECS)


def test_a_comma_in_a_path_is_written_twice():
    odd = spec("nvme")
    odd = MachineSpec(**{**{f: getattr(odd, f) for f in odd.__struct_fields__}, "root_disk": Path("/a,b/root.qcow2")})
    assert "if=none,id=root0,format=qcow2,file=/a,,b/root.qcow2,cache=unsafe" in flatten(build(odd))


def test_the_guest_gets_no_route_out():
    for name in device_sets():
        for option, value in build(spec(name)):
            if option == "-netdev" or (option == "-nic" and value != "none"):
                assert "restrict=on" in value
