"""IMAGE=file: what is taken for a disk image, what is refused before it is opened, and what its cells are called."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_disks import said_by
from paths import PROJECT

from harness.campaign.session import rerun_settings
from harness.clock import ManualClock
from harness.config import expand, read_matrix
from harness.errors import ConfigError
from harness.images import inspect
from harness.lab import Lab, known_names
from harness.model import DISK_SUFFIXES, Accel, Cell, is_disk_file
from harness.selftest.session import Session

# ---- what is taken for a disk image ---------------------------------------------------------------------------


def test_the_header_says_the_format_where_the_name_does_not(raw, qcow2):
    assert (inspect(raw, "IMAGE").format, inspect(raw, "IMAGE").virtual_bytes) == ("raw", 1 << 20)
    assert (inspect(qcow2, "IMAGE").format, inspect(qcow2, "IMAGE").virtual_bytes) == ("qcow2", 1 << 20)
    # As Ubuntu names its own.
    assert inspect(qcow2.rename(qcow2.with_suffix(".img")), "IMAGE").format == "qcow2"


def backed(qcow2: Path) -> Path:
    path = qcow2.with_name("backed.qcow2")
    said_by("qemu-img", "create", "-f", "qcow2", "-b", qcow2, "-F", "qcow2", path)
    return path


def with_data_file(qcow2: Path) -> Path:
    path = qcow2.with_name("split.qcow2")
    said_by("qemu-img", "create", "-f", "qcow2", "-o", f"data_file={path}.data,data_file_raw=on", path, "1M")
    return path


def encrypted(qcow2: Path) -> Path:
    content = bytearray(qcow2.read_bytes())
    struct.pack_into(">I", content, 32, 2)
    return written(qcow2, "encrypted.qcow2", bytes(content))


def enormous(qcow2: Path) -> Path:
    content = bytearray(qcow2.read_bytes())
    struct.pack_into(">Q", content, 24, 5 << 40)
    return written(qcow2, "enormous.qcow2", bytes(content))


def written(beside: Path, name: str, content: bytes) -> Path:
    path = beside.with_name(name)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (
            lambda disk: disk.with_name("absent.qcow2"),
            r"absent.qcow2: No such file or directory\n  a disk image is a file",
        ),
        (lambda disk: disk.parent, "is a folder, and no disk image"),
        (
            lambda disk: written(disk, "note.img", b"Dear Sir"),
            "note.img is no disk image: it begins with no boot record",
        ),
        (lambda disk: written(disk, "x.qcow2", b"Dear Sir"), "x.qcow2 is no qcow2 image, by how it begins"),
        (lambda disk: written(disk, "x.img", b"\xfd7zXZ\0" * 200), r"x.img is compressed by xz, .*\n  unxz x.img"),
        (lambda disk: written(disk, "cut.qcow2", disk.read_bytes()[:40]), "is a qcow2 image that was cut off"),
        (lambda disk: written(disk, "x.raw", disk.read_bytes()), "is called raw, and begins as a qcow2 image does"),
        (backed, "has a backing file, and only images that stand alone are used\n  .*: qemu-img convert"),
        (with_data_file, "keeps its data in another file, and only images that stand alone are used"),
        (encrypted, "is encrypted"),
        (enormous, "says that it is a disk of 5 TiB"),
    ],
)
def test_what_is_no_disk_image_is_an_error_about_the_setting(qcow2, make, problem):
    with pytest.raises(ConfigError, match=problem) as caught:
        inspect(make(qcow2), "environment KEXEC_IMAGE")
    assert str(caught.value).startswith("environment KEXEC_IMAGE: ")
    assert caught.value.exit_code == 4


def test_a_wrong_file_is_said_before_anything_runs(settings, tmp_path):
    with pytest.raises(ConfigError, match=f"^command line --kexec-image: {tmp_path} is a folder"):
        known_names(settings(image=str(tmp_path)))


@hypothesis.settings(deadline=None)
@given(st.sampled_from([b"", b"QFI\xfb\0\0\0\3"]), st.binary(max_size=1200), st.sampled_from(DISK_SUFFIXES))
def test_whatever_is_in_a_file_it_is_read_to_an_end(tmp_path_factory, start, rest, suffix):
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(start + rest)
    with suppress(ConfigError):
        assert inspect(path, "IMAGE").virtual_bytes <= 2 << 40


# ---- cells ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("/srv/images/fedora-43.qcow2", "fedora-43.qcow2"),
        ("./My disk+copy.img", "My_disk_copy.img"),
        ("../..", "_."),
        ("/srv/.hidden.raw", "_hidden.raw"),
        ("-rf.raw", "_rf.raw"),
        ("/srv/\N{SNOWMAN}\n.raw", "__.raw"),
        ("x" * 300 + ".qcow2", "x" * 74 + ".qcow2"),
    ],
)
def test_ids_of_cells_are_safe_as_names_of_files(image, name):
    assert is_disk_file(image)
    assert Cell(image=image, device_set="nvme").cell_id == f"{name}+nvme+seabios"


def test_images_of_the_same_name_cannot_be_told_apart(settings, qcow2, tmp_path):
    other = tmp_path / "other" / qcow2.name
    other.parent.mkdir()
    other.write_bytes(qcow2.read_bytes())
    both = settings(image=f"{qcow2},{other}")
    with pytest.raises(ConfigError, match=r"would both be cloud.qcow2\+virtio-net\+seabios in the results"):
        expand(read_matrix(PROJECT / "scenarios" / "matrix.toml"), both, known_names(both))


# ---- what it cannot be used for ---------------------------------------------------------------------------------


def of_file(settings, qcow2: Path, **more: str):
    return settings(image=str(qcow2), cache_dir=str(qcow2.parent / "cache"), **more)


@pytest.mark.parametrize("kernel", ["6.12", "6.1->6.12", "./bzImage"])
def test_its_kernel_cannot_be_chosen(settings, qcow2, kernel):
    lab = Lab(of_file(settings, qcow2, kernel=kernel), ManualClock(), print)
    cell = Cell(image=str(qcow2), device_set="nvme", kernel=kernel)
    problem = f"^command line --kexec-kernel: {qcow2} boots the kernel that its own .*, and {kernel} is another\n"
    with pytest.raises(ConfigError, match=problem):
        lab.image_of(cell) if kernel.startswith(".") else lab.kernels(cell)


def test_faults_are_not_injected_into_it(settings, qcow2, tmp_path):
    session = Session(of_file(settings, qcow2), ManualClock(), folder=tmp_path, say=print)
    with pytest.raises(ConfigError, match=f"^command line --kexec-image: {qcow2} was not made here"):
        session.run([str(qcow2)], [], 0)


def test_a_rerun_names_it_by_its_whole_path(settings, qcow2, monkeypatch):
    monkeypatch.chdir(qcow2.parent)
    cell = Cell(image=qcow2.name, device_set="nvme")
    assert rerun_settings(settings(image=qcow2.name), cell, Accel.TCG)["IMAGE"] == str(qcow2)
