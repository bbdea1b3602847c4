"""Device sets: what they ask of QEMU, that several fit on one machine, and that a changed device is found."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from paths import PROJECT

from harness import host
from harness.clock import HostClock
from harness.config.cells import expand
from harness.config.matrix import read_matrix
from harness.devices.base import parse_findings, several
from harness.devices.inventory import Inventory, compare, parse
from harness.devices.needs import lacking
from harness.errors import ConfigError, MachineError
from harness.host import QemuBinary
from harness.host.helpers import Helper
from harness.lab import device_set_of, device_sets, known_names, machine_spec
from harness.model import Accel, Cell
from harness.qemu.argv import build
from harness.qemu.helpers import Helpers

DATA = Path(__file__).parent / "testdata" / "devices"
LISTING = (DATA / "debian-12-virtio-net.txt").read_text("utf-8")
#: what Linux lets one argument of a program have (MAX_ARG_STRLEN, execve(2))
MAX_SCRIPT_BYTES = 128 << 10


# ---- the tables ---------------------------------------------------------------------------------------------


def test_the_selection_devices_has_every_set(settings):
    chosen = settings(select="devices")
    cells = expand(read_matrix(PROJECT / "scenarios" / "matrix.toml"), chosen, known_names(chosen)).cells
    assert {cell.device_set for cell in cells} == device_sets().keys()


@pytest.mark.parametrize("name", device_sets())
def test_scripts_are_whole_and_small_enough_for_the_agent(name):
    for script in (device_sets()[name].before("0" * 16), device_sets()[name].after("0" * 16)):
        assert len(script.encode()) < MAX_SCRIPT_BYTES // 2
        assert subprocess.run(["sh", "-n", "-c", script], check=False).returncode == 0


# ---- several on one machine ---------------------------------------------------------------------------------


@pytest.fixture
def everything():
    """All of them but the root disks, of which a machine has one."""
    return several([one for one in device_sets().values() if one.root is None])


def test_all_sets_on_one_machine_do_not_clash(everything):
    options = everything.argv(Path("/m"))
    ids = [found[1] for option, value in options if (found := re.search(r"(?:^|,)id=([^,]+)", value))]
    files = [found[1] for _, value in options if (found := re.search(r"(?:file|mem-path)=([^,]+)", value))]
    for names in (ids, files, re.findall(r"mac=([^,]+)", str(options)), re.findall(r"chardev:(\w+)", str(options))):
        assert len(names) > 1
        assert sorted(set(names)) == sorted(names)
    assert sorted(files) == sorted(f"/m/{name}" for name in everything.disk_names)


def test_a_set_has_the_same_options_alone_as_before_others():
    alone, both = device_set_of(cell("nvme")), device_set_of(cell("nvme+e1000e"))
    assert both.argv(Path("/m"))[: len(alone.argv(Path("/m")))] == alone.argv(Path("/m"))
    assert both.name == "nvme+e1000e"


def test_a_machine_with_several_sets_says_which_of_them_fails():
    output = "set nvme\nok driver bound\nset e1000e\nfail address none\n"
    assert [(finding.check, finding.ok, finding.detail) for finding in parse_findings(output)] == [
        ("driver", True, "nvme: bound"),
        ("address", False, "e1000e: none"),
    ]


def test_a_set_that_cannot_be_prepared_stops_the_others():
    both = device_set_of(cell("nvme+virtio-net"))
    done = subprocess.run(
        ["sh", "-c", f"udevadm() {{ :; }}\nsleep() {{ :; }}\n{both.before('n')}echo went on"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == "0 of 1 disks have the serial number kexecdata\n"


def test_a_machine_has_one_root_disk():
    with pytest.raises(ConfigError, match="root-nvme and root-ahci are root disks, and a machine has one"):
        device_set_of(cell("root-nvme+virtio-net+root-ahci"))


def test_the_root_disk_hangs_on_what_the_set_says(settings):
    spec = machine_spec(cell("root-nvme"), settings(), folder=Path("/m"), accel=Accel.TCG)
    on_root = [value for _, value in build(spec) if "drive=root0" in value]
    assert on_root == ["nvme,drive=root0,bootindex=1,serial=kexecdata"]


def cell(device: str) -> Cell:
    return Cell(image="debian-13", device_set=device)


# ---- what QEMU has ------------------------------------------------------------------------------------------


@pytest.fixture
def qemu(tmp_path):
    """A stand-in that lists what QEMU 7.2 does, in its words."""
    program = tmp_path / "qemu"
    program.write_text(f'#!/bin/sh\ncat {DATA}/qemu-7.2"$1"-help.txt\n')
    program.chmod(0o755)
    return QemuBinary(program, "7.2.22")


@pytest.mark.parametrize(
    ("device", "missing"),
    [
        ("virtio-net", []),
        ("nvme", []),
        ("igb", ["device igb"]),
        ("ufs+igb", ["device ufs", "device ufs-lu", "device igb"]),
    ],
)
def test_qemu_is_asked_for_every_device(qemu, device, missing):
    options = device_set_of(cell(device)).argv(Path("/m"))
    assert lacking(options, lambda option: host.offers(qemu, option)) == missing


# ---- the inventory ------------------------------------------------------------------------------------------


def inventory(text: str = LISTING, kernel: str = "6.1.0") -> Inventory:
    listing = parse(text)
    return Inventory(kernel, listing.devices, listing.sum)


def complaints(text: str, kernel: str = "6.1.0") -> list[tuple[str, str]]:
    """What differs between the recorded guest and one that lists `text`."""
    found = compare(inventory(), inventory(text, kernel))
    return [(finding.check, finding.detail) for finding in found if not finding.ok]


def test_a_recorded_guest_is_listed_with_ids_and_drivers():
    devices = inventory().devices
    assert (devices["pci 0000:00:02.0"].id, devices["pci 0000:00:02.0"].driver) == ("1af4:1000", "virtio-pci")
    assert devices["virtio 0000:00:02.0/virtio"].driver == "virtio_net"
    assert devices["net 0000:00:02.0/virtio"].id == "enp0s2"
    assert not any("lo" in place.split() for place in devices)


def test_the_same_devices_are_no_finding_but_a_check_that_passed():
    [finding] = compare(inventory(), inventory())
    assert finding.ok
    assert finding.detail.endswith("devices, all as after the first cold boot")


def test_numbers_in_the_order_of_finding_do_not_count():
    swapped = LISTING.replace("virtio0", "virtio9").replace("virtio1", "virtio0").replace("virtio9", "virtio1")
    assert complaints(swapped.replace("host5", "host7").replace("ata6", "ata9")) == []


def test_a_device_that_is_gone_is_missing():
    without = "\n".join(line for line in LISTING.splitlines() if "0000:00:02.0" not in line)
    assert ("present", "pci 0000:00:02.0 (1af4:1000, driver virtio-pci) is gone") in complaints(without)


def test_a_device_at_another_address_has_moved():
    moved = complaints(LISTING.replace("0000:00:02.0", "0000:00:05.0"))
    assert ("present", "pci 0000:00:02.0 (1af4:1000, driver virtio-pci) has moved to pci 0000:00:05.0") in moved


def test_another_driver_is_a_finding_and_so_is_none():
    assert complaints(LISTING.replace("drivers/i801_smbus", "drivers/vfio-pci")) == [
        ("bound", "pci 0000:00:1f.3 (8086:2930) has driver vfio-pci, had driver i801_smbus")
    ]
    unbound = "\n".join(line for line in LISTING.splitlines() if "i801_smbus" not in line)
    assert complaints(unbound) == [("bound", "pci 0000:00:1f.3 (8086:2930) has no driver, had driver i801_smbus")]


def test_a_device_that_was_not_there_is_a_finding():
    more = f"{LISTING}link /sys/class/net/eth7 ../../devices/pci0000:00/0000:00:09.0/net/eth7\n"
    assert complaints(more) == [("place", "net 0000:00:09.0 (eth7) was not there after the first cold boot")]


def test_another_kernel_may_have_other_drivers_but_not_other_hardware():
    other = LISTING.replace("drivers/i801_smbus", "drivers/other").replace("virtio1/net/enp0s2", "virtio1/net/eth0")
    assert complaints(other, kernel="6.12.0") == []
    without = "\n".join(line for line in LISTING.splitlines() if "0000:00:1f.3" not in line)
    assert [check for check, _ in complaints(without, kernel="6.12.0")] == ["present"]


def test_a_guest_that_lists_nothing_has_lost_everything():
    assert {check for check, _ in complaints("")} == {"present"}


def test_a_guest_says_which_modules_its_kernel_lacks():
    assert parse("lacks 8139cp|8139too 6.1.0-50-cloud-amd64\n").lacking == (("8139cp|8139too", "6.1.0-50-cloud-amd64"),)


# ---- the host's side ----------------------------------------------------------------------------------------


class Recorder:
    """A host that answers QMP with what it was given, and remembers what it was told."""

    def __init__(self, folder: Path, **answers: object) -> None:
        self.folder, self._answers = folder, answers
        self.told: list[tuple[str, dict[str, object] | None]] = []

    def execute(self, command, arguments=None):
        self.told.append((command, arguments))
        if command == "screendump":
            Path(arguments["filename"]).write_bytes(self._answers["screen"])
        return self._answers.get(command.replace("-", "_"))


#: what QEMU 7.2 says of `-smp cpus=2,maxcpus=4`
CPU_SLOTS = [
    {"props": {"core-id": 0, "thread-id": 0, "socket-id": number}, "vcpus-count": 1, "type": "max-x86_64-cpu"}
    | ({"qom-path": f"/machine/unattached/device[{number}]"} if number < 2 else {})
    for number in (3, 2, 1, 0)
]


def test_the_first_free_cpu_is_plugged_in(tmp_path):
    host_side = Recorder(tmp_path, query_hotpluggable_cpus=CPU_SLOTS)
    device_set_of(cell("cpu-hotplug")).plug_all(host_side)
    command, arguments = host_side.told[-1]
    assert (command, arguments["driver"], arguments["socket-id"]) == ("device_add", "max-x86_64-cpu", 2)


def test_a_disk_is_plugged_into_the_slot_of_its_set(tmp_path):
    host_side = Recorder(tmp_path)
    both = device_set_of(cell("nvme+pcie-hotplug"))
    both.plug_all(host_side)
    [(_, arguments)] = host_side.told
    ids = re.findall(r"id=([^,']+)", str(both.argv(tmp_path)))
    assert arguments["bus"] in ids
    assert arguments["drive"] in ids
    assert (arguments["serial"], arguments["drive"]) == ("kexecdata1", "data1")


@pytest.mark.parametrize(("pixels", "ok"), [(b"\0\0\0" * 4, False), (b"\0\0\0" * 3 + b"\xff\xff\xff", True)])
def test_a_screen_of_one_colour_is_blank(tmp_path, pixels, ok):
    host_side = Recorder(tmp_path, screen=b"P6\n2 2\n255\n" + pixels)
    [finding] = device_set_of(cell("qxl")).look_at_all(host_side)
    assert (finding.check, finding.ok) == ("screen", ok)


def test_a_helper_is_up_before_qemu_and_gone_after_it(tmp_path):
    socket = tmp_path / "socket"
    helpers = Helpers([helper("sleep 1000 & : >socket; wait", socket)], tmp_path, HostClock())
    helpers.start()
    assert socket.exists()
    helpers.close()
    helpers.close()


def test_a_helper_that_dies_says_why(tmp_path):
    helpers = Helpers([helper("echo no licence; exit 3", tmp_path / "socket")], tmp_path, HostClock())
    with pytest.raises(MachineError, match="sh does not come up; it said: no licence"):
        helpers.start()
    helpers.close()


def helper(script: str, socket: Path) -> Helper:
    return Helper(program="sh", package="dash", arguments=("-c", f"cd {socket.parent}; {script}"), socket=socket)


@pytest.mark.parametrize(
    ("said", "ok"), [(b"[ 1.0] kexec-harness: is this heard?\r\n", True), (b"[ 1.0] usb 1-1\n", False)]
)
def test_a_console_is_heard_on_the_host_and_each_message_once(tmp_path, said, ok):
    both = device_set_of(cell("nvme+virtio-console"))
    (tmp_path / "hvc.log1").write_bytes(said)
    [first], [second] = both.look_at_all(Recorder(tmp_path)), both.look_at_all(Recorder(tmp_path))
    assert (first.check, first.ok, second.ok) == ("messages", ok, False)
    assert first.detail.startswith("virtio-console: ")
