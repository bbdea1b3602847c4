"""A disk of the user's own becomes a guest: what it is told, the machine that it boots in, and what comes of it."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from own_disks import OFF, RELEASE, failed, prepared, said_by
from paths import PROJECT

from harness.clock import ManualClock
from harness.errors import ConfigError, ImageError
from harness.images import cache, create_overlay, ensure_prepared, recipe_of_file
from harness.images.guestfiles import PACKAGE, UNPACKED, GuestFile, collect_for_disk
from harness.images.own_disk import Disks, firmware_of
from harness.images.preparing_machine import preparing_spec
from harness.images.seed import meta_data, user_data, write_seed
from harness.model import Accel, ConsoleData, Event, Firmware
from harness.qemu.argv import build, to_text
from harness.qemu.replay import ReplayMachine

GOLDEN = Path(__file__).parent / "testdata" / "own-disk"


# ---- what the guest is told -----------------------------------------------------------------------------------


FILES = (GuestFile("etc/hello", 0o644, b"Hello.\n"), GuestFile("usr/bin/link", 0o777, b"", "/bin/true"))


@pytest.mark.parametrize("network", [False, True])
def test_the_seed_is_the_golden_one(network, golden):
    text = user_data(FILES, b"#!/bin/sh\ntrue\n", network=network)
    golden(GOLDEN / f"user-data-{'with' if network else 'without'}-network", text)


def test_the_seed_disk_has_the_label_and_the_files_that_cloud_init_looks_for(tmp_path):
    text = user_data(FILES, b"#!/bin/sh\n", network=False)
    seed = write_seed(text, tmp_path, tmp_path / "log")
    assert "CIDATA" in said_by("mdir", "-i", seed)
    assert said_by("mtype", "-i", seed, "::user-data") == text
    told = json.loads(said_by("mtype", "-i", seed, "::meta-data"))
    assert told == json.loads(meta_data(text))
    assert told["instance-id"] != json.loads(meta_data(text + "more"))["instance-id"]
    assert json.loads(said_by("mtype", "-i", seed, "::network-config")) == {"config": "disabled"}


def test_a_disk_gets_what_makes_a_guest_and_nothing_that_only_our_own_images_have():
    paths = {file.path for file in collect_for_disk(PROJECT / "images")}
    assert paths >= {
        PACKAGE,
        "usr/lib/kexec-harness/agent",
        "usr/lib/kexec-harness/init.sh",
        "usr/lib/systemd/system/kexec-harness-agent.service",
        f"{UNPACKED}/usr/sbin/kexec-load",
        f"{UNPACKED}/usr/lib/systemd/system-shutdown/kexec-load.shutdown",
    }
    assert not paths & {"etc/fstab", "etc/hostname", "etc/machine-id", "boot/grub/grub.cfg"}


@pytest.mark.parametrize(("firmware", "network"), [(Firmware.SEABIOS, False), (Firmware.OVMF, True)])
def test_the_machine_that_prepares_a_disk(firmware, network, golden):
    making = Path("/cache/images/own-disks/.build-x")
    disks = Disks(
        root=making / "disk.qcow2",
        seed=making / "seed.img",
        handover=making / "handover.raw",
        firmware=firmware,
        network=network,
    )
    spec = preparing_spec(
        "x.qcow2",
        disks,
        folder=Path("/run/machine"),
        accel=Accel.TCG,
        memory_mib=512,
        cpus=2,
        ovmf_code=Path("/usr/share/OVMF/OVMF_CODE.fd") if firmware is Firmware.OVMF else None,
    )
    golden(GOLDEN / f"argv-{firmware}.txt", to_text(build(spec)))


# ---- all of it, but for the machine -----------------------------------------------------------------------------


class Guest(ReplayMachine):
    """A machine whose recording ends with a kernel on the disk that is for that."""

    def __init__(self, disks: Disks, *events: Event) -> None:
        super().__init__([*events, prepared(), OFF])
        self._disks = disks

    def power_on(self) -> None:
        content = bytearray(4096)
        content[0x202:0x206] = b"HdrS"
        struct.pack_into("<H", content, 0x20E, 0x300)
        content[0x500 : 0x500 + len(RELEASE)] = RELEASE.encode()
        with self._disks.handover.open("r+b") as file:
            file.write(bytes(content) + b"initrd12")


@pytest.fixture
def prepare(tmp_path):
    """Prepares a disk image; gives the image and how many machines that took so far."""
    boots: list[Disks] = []

    def make(disks: Disks) -> Guest:
        boots.append(disks)
        return Guest(disks)

    def prepare(path: Path, machine=make):
        cache_dir = tmp_path / "cache"
        return ensure_prepared(
            recipe_of_file(str(path), cache_dir),
            path,
            images_dir=PROJECT / "images",
            cache_dir=cache_dir,
            make_machine=machine,
            clock=ManualClock(),
            progress=lambda _: None,
        ), len(boots)

    return prepare


def test_an_image_is_prepared_once_and_stays_as_it_is(prepare, qcow2):
    before = qcow2.read_bytes()
    image, boots = prepare(qcow2)
    assert (image.kernel_release, image.kernels, boots) == (RELEASE, (RELEASE,), 1)
    assert image.initrd.read_bytes() == b"initrd12"
    assert image.cmdline == "root=/dev/vda1 ro console=ttyS0,115200"
    assert qcow2.read_bytes() == before
    again, boots = prepare(qcow2)
    assert (again, boots) == (image, 1)


def test_the_image_is_known_by_its_original_wherever_it_was_prepared(prepare, qcow2, raw):
    assert prepare(qcow2)[0].sha256 == cache.sha256_of(qcow2)
    assert prepare(raw)[0].sha256 == cache.sha256_of(raw)


def test_another_original_of_the_same_name_is_prepared_anew(prepare, raw):
    first, _ = prepare(raw)
    content = bytearray(raw.read_bytes())
    content[1000] = 1
    raw.write_bytes(content)
    second, boots = prepare(raw)
    assert (first.disk != second.disk, boots) == (True, 2)


def test_machines_run_on_overlays_of_the_prepared_disk(prepare, qcow2, tmp_path):
    image, _ = prepare(qcow2)
    create_overlay(image, tmp_path / "overlay.qcow2")
    told = json.loads(said_by("qemu-img", "info", "-f", "qcow2", "--output=json", tmp_path / "overlay.qcow2"))
    assert (told["backing-filename"], told["backing-filename-format"]) == (str(image.disk.resolve()), "qcow2")
    assert image.disk.stat().st_mode & 0o222 == 0


def test_a_preparation_that_fails_leaves_its_console_and_nothing_else(prepare, qcow2, tmp_path):
    def fails(disks: Disks) -> ReplayMachine:
        return ReplayMachine([ConsoleData(1.0, "words\n"), failed("no"), OFF])

    with pytest.raises(ImageError, match=r"no \(looking\)\n  all of the console: .*cloud.qcow2.console.log$"):
        prepare(qcow2, fails)
    folder = tmp_path / "cache/images/own-disks"
    assert {path.name for path in folder.iterdir()} == {"cloud.qcow2.console.log", "cloud.qcow2.lock"}
    assert (folder / "cloud.qcow2.console.log").read_text() == "words\n"
    assert prepare(qcow2)[1] == 1


@pytest.mark.parametrize(
    ("code", "firmware"), [(b"\xeb\x63" + bytes(508), Firmware.SEABIOS), (bytes(510), Firmware.OVMF)]
)
def test_a_disk_without_a_boot_loader_for_a_bios_boots_under_ovmf(code, firmware):
    assert firmware_of(code + b"\x55\xaa", Path("x.raw"), "IMAGE") is firmware


def test_an_empty_qcow2_does_not_boot(prepare, tmp_path):
    empty = tmp_path / "empty.qcow2"
    said_by("qemu-img", "create", "-f", "qcow2", empty, "1M")
    with pytest.raises(ConfigError, match=r"^IMAGE: .*empty.qcow2 is no disk that boots"):
        prepare(empty)
