"""Kernels and initrds that are not what they should be are not loaded."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import struct
import subprocess

import pytest
from kexec_load_machine import INITRD, KERNEL, bzimage, cpio, debian_initrd


def portable_executable(machine: int, sections: int = 2) -> bytes:
    """An EFI program, as every kernel with an EFI stub is: sections of 512 bytes behind 512 bytes of headers."""
    head = bytearray(512)
    head[0:2] = b"MZ"
    head[60:64] = struct.pack("<I", 64)
    head[64:68] = b"PE\0\0"
    head[68:72] = struct.pack("<HH", machine, sections)
    head[84:86] = struct.pack("<H", 112)
    for number in range(sections):
        start = 64 + 24 + 112 + 40 * number
        head[start + 16 : start + 24] = struct.pack("<II", 512, 512 * (number + 1))
    return bytes(head) + b"k" * 512 * sections


def arm64_image() -> bytes:
    image = bytearray(portable_executable(0xAA64))
    image[56:60] = b"ARMd"
    return bytes(image)


def elf(machine: int, order: str = "<") -> bytes:
    head = bytearray(64)
    head[0:6] = b"\x7fELF\x02" + (b"\1" if order == "<" else b"\2")
    head[18:20] = struct.pack(order + "H", machine)
    head[40:48] = struct.pack(order + "Q", 1000)
    head[58:62] = struct.pack(order + "HH", 64, 2)
    return bytes(head) + b"k" * (1128 - 64)


KERNELS = {
    "bzImage": ("x86_64", bzimage()),
    "bzImage on a 32-bit system": ("i686", bzimage()),
    "unified kernel image": ("x86_64", portable_executable(0x8664)),
    "arm64": ("aarch64", arm64_image()),
    "compressed by itself": ("aarch64", portable_executable(0xAA64)),
    "vmlinux": ("ppc64le", elf(21)),
    "vmlinux, big-endian": ("s390x", elf(22, ">")),
    "gzip": ("aarch64", gzip.compress(arm64_image() + os.urandom(4000))),
}


@pytest.mark.parametrize(("here", "kernel"), KERNELS.values(), ids=KERNELS)
def test_a_whole_kernel_is_loaded_and_one_cut_short_is_not(machine, here, kernel):
    machine.orders("machine", here)
    machine.write(KERNEL, kernel)
    assert machine.run("check").returncode == 0
    machine.write(KERNEL, kernel[:-100])
    said = machine.load()
    assert said.startswith(f"standing aside: kernel {KERNEL} is truncated"), said
    assert machine.calls == []


@pytest.mark.parametrize(
    ("here", "kernel", "there"),
    [
        ("aarch64", bzimage(), "x86"),
        ("x86_64", arm64_image(), "aarch64"),
        ("x86_64", elf(21), "ppc"),
        ("riscv64", portable_executable(0xAA64), "aarch64"),
    ],
)
def test_a_kernel_for_another_architecture_is_not_loaded(machine, here, kernel, there):
    machine.orders("machine", here)
    machine.write(KERNEL, kernel)
    reason = f"kernel {KERNEL} is for another architecture: {there}, and this is {here}"
    assert machine.run("check").stdout == f"would stand aside: {reason}\n"


def test_a_kernel_that_says_how_long_it_is_says_so_in_the_journal(any_machine):
    machine = any_machine
    machine.write(KERNEL, bzimage()[:3000])
    assert machine.load() == f"standing aside: kernel {KERNEL} is truncated: 3000 bytes of 5120\n"


@pytest.mark.parametrize("name", ["kernel", "initrd"])
def test_an_empty_file_is_not_loaded(machine, name):
    path = KERNEL if name == "kernel" else INITRD
    machine.write(path, b"")
    assert machine.load() == f"standing aside: {name} {path} is empty\n"


@pytest.mark.parametrize("path", [KERNEL, INITRD])
def test_a_missing_file_is_not_loaded(machine, path):
    machine.path(path).unlink()
    said = machine.load()
    assert said.startswith("standing aside: ")
    assert path in said
    assert machine.calls == []


def test_a_kernel_of_noise_is_not_loaded(any_machine):
    machine = any_machine
    machine.write(KERNEL, b"\0" * 9000)
    assert machine.load() == f"standing aside: kernel {KERNEL} is of no format known on x86\n"


INITRDS = {
    "plain": cpio(init=b"#!/bin/sh" * 500),
    "plain, several": cpio(microcode=b"m" * 3000) + cpio(firmware=b"f" * 3000),
    "plain with the name of the trailer in a file": cpio(cpio=b"TRAILER!!!" * 100, last=b"l" * 3000),
    "gzip": gzip.compress(cpio(init=os.urandom(9000))),
    "bzip2": bz2.compress(cpio(init=os.urandom(9000))),
    "xz": lzma.compress(cpio(init=os.urandom(9000)), check=lzma.CHECK_CRC32),
    "lzma": lzma.compress(cpio(init=os.urandom(9000)), format=lzma.FORMAT_ALONE),
    "microcode, then gzip": debian_initrd(),
    "microcode, firmware, then xz": cpio(a=b"m" * 99) + cpio(b=b"f" * 99) + lzma.compress(os.urandom(9000)),
}


@pytest.mark.parametrize("initrd", INITRDS.values(), ids=INITRDS)
def test_a_whole_initrd_is_loaded_and_one_cut_short_is_not(machine, initrd):
    machine.write(INITRD, initrd)
    assert machine.run("check").stdout.startswith("would kexec ")
    machine.write(INITRD, initrd[:-1500])
    said = machine.run("check").stdout
    assert said.startswith(f"would stand aside: initrd {INITRD} is truncated"), said


def test_a_cut_initrd_of_zstd_is_not_loaded(machine):
    compressed = subprocess.run(
        ["zstd", "-q", "-c"], input=cpio(init=os.urandom(9000)), capture_output=True, check=True
    ).stdout
    whole = cpio(microcode=os.urandom(3000)) + compressed
    machine.write(INITRD, whole)
    assert machine.run("check").returncode == 0
    machine.write(INITRD, whole[:-5])
    assert " is truncated or damaged: zstd: " in machine.run("check").stdout


def test_an_initrd_with_a_flipped_bit_is_not_loaded(any_machine):
    machine = any_machine
    damaged = bytearray(debian_initrd())
    damaged[-5000] ^= 1
    machine.write(INITRD, bytes(damaged))
    machine.program("gzip", f'#!/bin/sh\nexec {shutil.which("gzip")} "$@"\n')
    if machine.shell == "busybox":  # its grep cannot find the second archive: the damage stays unseen
        assert machine.run("check").returncode == 0
    else:
        assert "is truncated or damaged: gzip: " in machine.run("check").stdout


def test_zeros_behind_an_initrd_are_no_damage(machine):
    machine.write(INITRD, debian_initrd() + b"\0" * 700)
    assert machine.run("check").returncode == 0


def test_an_initrd_of_no_known_format_is_not_loaded(any_machine):
    machine = any_machine
    machine.write(INITRD, b"no archive at all")
    assert machine.load() == f"standing aside: initrd {INITRD} is of no known format\n"


def test_a_test_that_takes_too_long_does_not_stand_in_the_way(machine):
    machine.program("gzip", "#!/bin/sh\nexit 1\n")
    assert machine.run("check").returncode == 1
    machine.program("timeout", "#!/bin/sh\nexit 124\n")
    assert machine.run("check").returncode == 0


@pytest.mark.parametrize("end", ["kill -9 $$", "exit 126", "echo 'xz: (stdin): Cannot allocate memory' >&2; exit 1"])
def test_a_decompressor_that_cannot_do_its_work_has_found_no_damage(machine, end):
    machine.program("gzip", f"#!/bin/sh\n{end}\n")
    assert machine.run("check").returncode == 0


def test_without_its_decompressor_an_initrd_is_taken_as_whole(machine):
    machine.write(INITRD, b"\x89LZO and something that this host has no program for")
    machine.extra["PATH"] = str(machine.bin)
    for tool in (
        "awk",
        "cat",
        "cmp",
        "cut",
        "grep",
        "head",
        "od",
        "readlink",
        "sed",
        "sha256sum",
        "stat",
        "tail",
        "tr",
        "wc",
    ):
        (machine.bin / tool).symlink_to(str(shutil.which(tool)))
    assert machine.run("check").stdout.startswith("would kexec ")
