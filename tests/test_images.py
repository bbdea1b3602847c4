"""Images: the cache and what it survives, and a disk put together from a tiny system."""

from __future__ import annotations

import datetime
import io
import multiprocessing
import os
import re
import select
import shutil
import struct
import subprocess
import tarfile
from pathlib import Path
from types import SimpleNamespace

import filelock
import msgspec
import pytest
from small_recipe import MIRROR, RECIPE, small_images_dir

from harness.clock import ManualClock
from harness.errors import ImageError, InfraError, NoSpace
from harness.host import building
from harness.host.tools import find_tool
from harness.images import build, cache, disk, ensure, ensure_probe_kit, load_recipe
from harness.images.disk import DISK_SIGNATURE, MIB
from harness.images.rootfs import EPOCH, build_rootfs
from harness.images.timestamps import used_inodes

FILES = ("disk.raw", "vmlinuz", "initrd.img")


@pytest.fixture
def images_dir(tmp_path):
    return small_images_dir(tmp_path)


@pytest.fixture
def built(monkeypatch):
    """Builds that take no time: the mirror of each that was done. The disk is large enough."""
    mirrors = []

    def assemble(recipe, folder, log):
        for name in FILES:
            (folder / name).write_bytes(name.encode() * 100)
        (folder / "releases").write_text("6.12.0-test\n")

    monkeypatch.setattr(build, "build_rootfs", lambda *_, mirror, **__: mirrors.append(mirror))
    monkeypatch.setattr(build, "assemble_disk", assemble)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 50))
    return mirrors


@pytest.fixture
def get(images_dir, monkeypatch, tmp_path):
    """Asks for the image `small`; what was said on the way is in `get.said`."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # slow, and nothing here survives a crash of the host

    def ask(*, disk_mib=None, cache_dir=tmp_path / "cache", mirror=MIRROR, **more):
        recipe = load_recipe(images_dir, "small")
        if disk_mib:  # smaller than a recipe may ask for, to be quick
            recipe = msgspec.structs.replace(recipe, disk_mib=disk_mib)
        more = {"progress": ask.said.append, **more}
        return ensure(recipe, images_dir=images_dir, cache_dir=cache_dir, mirror=mirror, **more)

    ask.said = []
    return ask


def put_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    """Programs that come before the host's own; and a user who may build, whoever runs the tests."""
    folder.mkdir(exist_ok=True)
    for name, script in {"unshare": 'shift 2; exec "$@"', "newuidmap": "exit 1", **scripts}.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    (folder / "ids").write_text(f"{os.getuid()}:100000:65536\n")
    monkeypatch.setattr(building, "ID_RANGES", (folder / "ids",))
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def finished(tmp_path: Path, pattern: str = "small-*") -> list[Path]:
    return sorted((tmp_path / "cache/images").glob(pattern))


def overwrite(path: Path) -> None:
    """Turn one bit of a read-only file, and hide it as well as a program can."""
    before = path.stat()
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)
    path.chmod(0o444)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


# ---- cache --------------------------------------------------------------------------------------------------


def test_an_image_is_built_and_read_once_and_then_found(get, built, monkeypatch, tmp_path):
    image = get()
    monkeypatch.setattr(cache, "sha256_of", lambda path: pytest.fail(f"{path} is read again"))
    assert get() == image
    assert built == [MIRROR]
    assert (image.kernel_release, image.cmdline) == ("6.12.0-test", "root=LABEL=kexec-root ro console=ttyS0")
    assert [image.disk.parent] == finished(tmp_path)
    assert not image.disk.stat().st_mode & 0o222
    assert get.said[0] == f"small:    0 s  building from {MIRROR}"


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "small.toml").write_text(RECIPE.replace("256", "257")),
        lambda folder: (folder / "guest/etc/hostname").write_text("other\n"),
        lambda folder: (folder / "guest/etc/hostname").chmod(0o755),
        lambda folder: (folder / "guest/etc/motd").symlink_to("/run/motd"),
        lambda folder: (folder / "kexec-load/kexec-load").write_text("#!/bin/sh\nexit\n"),
    ],
    ids=["recipe", "guest-file", "executable-bit", "new-link", "kexec-load"],
)
def test_what_an_image_is_made_from_makes_another_image(get, built, images_dir, change, tmp_path):
    first = get()
    change(images_dir)
    assert get().key != first.key
    assert (len(built), len(finished(tmp_path))) == (2, 2)


def test_nothing_else_makes_another_image(get, built, images_dir, monkeypatch):
    first = get()
    (images_dir / "small.toml").write_text(f"# a remark\n{RECIPE}")
    (images_dir / "other.toml").write_text(RECIPE.replace("256", "512"))
    (images_dir / "guest/etc/hostname").chmod(0o600)  # another umask
    os.utime(images_dir / "guest/etc/hostname", (1, 1))
    monkeypatch.setenv("MAKEFLAGS", "n")  # under `make -n`
    assert get(mirror="http://another.example/debian") == first
    assert built == [MIRROR]


@pytest.mark.parametrize(
    ("name", "damage", "problem"),
    [
        *((name, overwrite, f"{name} is not what it was when it was built (checksum differs)") for name in FILES),
        ("disk.raw", Path.unlink, "disk.raw'"),
        ("image.json", Path.unlink, "image.json'"),
    ],
)
def test_a_damaged_image_is_noticed_and_built_again(get, built, name, damage, problem):
    image = get()
    damage(image.disk.parent / name)
    assert get() == image
    assert len(built) == 2
    assert any(problem in line and line.endswith("; building it again") for line in get.said)
    assert image.disk.read_bytes() == b"disk.raw" * 100


def test_bits_that_rot_unseen_are_noticed_after_the_hosts_next_boot(get, built, monkeypatch, tmp_path):
    image = get()
    overwrite(image.disk)
    # As if the file had not been touched.
    cache._write_stamp(
        image.disk.parent, cache.Manifest(name="", key="", kernel_release="", sha256=dict.fromkeys(FILES, ""))
    )
    assert get() == image
    assert len(built) == 1
    (tmp_path / "boot_id").write_text("another boot\n")
    monkeypatch.setattr(cache, "BOOT_ID", tmp_path / "boot_id")
    get()
    assert len(built) == 2


def test_images_that_nobody_used_for_two_weeks_make_room(get, built, images_dir, tmp_path):
    clock = ManualClock(wall=datetime.datetime(2030, 1, 31, tzinfo=datetime.UTC))
    folders = []
    for mib in (256, 257, 258):
        (images_dir / "small.toml").write_text(RECIPE.replace("256", str(mib)))
        folders.append(get(clock=clock).disk.parent)
        used = (clock.wall() - datetime.timedelta(days=15 if mib == 256 else 13)).timestamp()
        os.utime(folders[-1], (used, used))
    assert finished(tmp_path) == sorted(folders[1:])


def test_two_who_want_the_same_image_wait_for_each_other(get, built, tmp_path):
    (tmp_path / "cache/images").mkdir(parents=True)
    other = filelock.FileLock(tmp_path / "cache/images/small.lock")
    other.acquire()
    said = []

    def hear(line):
        said.append((line, len(built)))
        other.release()

    get(progress=hear)
    assert said[0] == ("small: waiting for another process that is at this image", 0)


# ---- builds that fail ---------------------------------------------------------------------------------------


def test_a_full_disk_is_one_clear_message_before_anything_is_begun(get, built, monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100 * MIB))
    with pytest.raises(NoSpace) as caught:
        get()
    assert str(caught.value) == (
        f"{tmp_path}/cache/images: building small needs 512 MiB, and 100 MiB are available\n"
        "  make room, or put the cache elsewhere: KEXEC_CACHE_DIR=/another/folder"
    )
    assert (built, finished(tmp_path)) == ([], [])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("E: x  404  Not Found", f"ImageError: {MIRROR} has no trixie, or not all of it:\nE: x  404  Not Found"),
        ("W: Could not resolve 'mirror.example'", f"InfraError: {MIRROR} cannot be reached:\nW: Could not resolve"),
        ("W: NO_PUBKEY 6ED0E7B8", "ImageError: this host does not have the key that trixie is signed with\n"),
        ("dpkg: No space left on device", "NoSpace: mmdebstrap ran out of disk space\n  make room for "),
        ("odd", "ImageError: mmdebstrap failed (status 7); the end of what it said:\nodd"),
    ],
    ids=["404", "unreachable", "keys", "full", "other"],
)
def test_a_build_that_fails_says_why_and_leaves_nothing(get, monkeypatch, tmp_path, said, message):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 50))
    put_on_path(tmp_path / "bin", monkeypatch, mmdebstrap=f'echo "{said}" >&2; exit 7')
    with pytest.raises(InfraError) as caught:
        get()
    assert f"{type(caught.value).__name__}: {caught.value}".startswith(message)
    assert (finished(tmp_path), finished(tmp_path, ".build-*")) == ([], [])


def test_a_build_leaves_that_of_an_image_whose_name_goes_on_alone(get, built, tmp_path):
    image = get()
    folder = image.disk.parent
    name = folder.name.rpartition("-")[0]
    neighbour, leftover = (folder.parent / f".build-{name}{rest}-abcdefgh" for rest in ("-backports", ""))
    neighbour.mkdir()
    leftover.mkdir()
    image.disk.unlink()
    get()
    assert finished(tmp_path, ".build-*") == [neighbour]


def test_a_killed_build_leaves_nothing_that_looks_finished(get, built, monkeypatch, tmp_path):
    os.mkfifo(tmp_path / "life")
    put_on_path(tmp_path / "bin", monkeypatch, mmdebstrap=f"exec 9>{tmp_path}/life; echo >&9; exec sleep 20")
    with monkeypatch.context() as real:
        real.setattr(build, "build_rootfs", build_rootfs)
        builder = multiprocessing.get_context("fork").Process(target=get)
        builder.start()
    with open(os.open(tmp_path / "life", os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as life:  # noqa: PTH123
        assert select.select([life], [], [], 20)[0], "the build did not begin"
        assert life.readline() == b"\n"
        builder.kill()
        builder.join()
        assert select.select([life], [], [], 5)[0], "mmdebstrap goes on without the one who started it"
    assert finished(tmp_path) == []
    assert len(finished(tmp_path, ".build-*")) == 1
    image = get()
    assert (finished(tmp_path), finished(tmp_path, ".build-*")) == ([image.disk.parent], [])


def test_a_cache_that_cannot_be_written_to_says_so(get, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ImageError, match=r"file/images: Not a directory\n.*KEXEC_CACHE_DIR=/another/folder"):
        get(cache_dir=tmp_path / "file")
    with pytest.raises(ImageError, match=r"file/probe: Not a directory\n.*KEXEC_CACHE_DIR=/another/folder"):
        ensure_probe_kit(tmp_path / "file", MIRROR, get.said.append)


def test_what_is_mounted_below_a_leftover_is_not_reached_into(tmp_path, monkeypatch):
    leftover = tmp_path / "caché of mine"
    (leftover / "proc").mkdir(parents=True)
    point = str(leftover / "proc").replace(" ", "\\040")
    (tmp_path / "mountinfo").write_text(f"36 35 0:5 / {point} rw,relatime - proc proc rw\n")
    monkeypatch.setattr(cache, "Path", lambda _: tmp_path / "mountinfo")
    with pytest.raises(ImageError, match=f"^{leftover}/proc is still mounted.*\n  umount {leftover}/proc"):
        cache.discard(leftover)
    assert (leftover / "proc").is_dir()


# ---- the disk -----------------------------------------------------------------------------------------------


@pytest.fixture
def system(tmp_path):
    """What mmdebstrap would give: the tar of a tiny system."""
    files = {
        "boot/vmlinuz-6.1.0-test": b"kernel",
        "boot/initrd.img-6.1.0-test": b"initrd",
        "usr/lib/grub/i386-pc/boot.img": b"\xeb" * 512,
        "boot/grub/i386-pc/core.img": b"core" * 1000,
        "boot/grub/x86_64-efi/core.efi": b"efi",
        "etc/hostname": b"built here",
        "var/secret": b"",
    }
    links = {"vmlinuz": "boot/vmlinuz-6.1.0-test", "initrd.img": "boot/initrd.img-6.1.0-test"}
    with tarfile.open(tmp_path / "system.tar", "w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size, entry.uid, entry.mode = len(content), 42, 0o000 if name == "var/secret" else 0o644
            entry.mtime = EPOCH + 10**8 if name == "etc/hostname" else EPOCH - 5
            tar.addfile(entry, io.BytesIO(content))
        for name, target in links.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return tmp_path / "system.tar"


def said_by(tool: str, *arguments: object) -> str:
    command = [str(find_tool(tool)), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_disk_has_both_boot_loaders_and_the_system_of_the_recipe(get, system, monkeypatch, tmp_path):
    copy = f'for word; do target=$before; before=$word; done; echo "I: extracting archives..."; cp {system} "$target"'
    put_on_path(tmp_path / "bin", monkeypatch, mmdebstrap=copy)
    image = get(disk_mib=16)
    assert get(disk_mib=16, cache_dir=tmp_path / "another").sha256 == image.sha256
    assert "extracting archives" in get.said[1]
    assert image.kernel_release == "6.1.0-test"
    assert (image.kernel.read_bytes(), image.initrd.read_bytes()) == (b"kernel", b"initrd")

    start = image.disk.read_bytes()[: 512 + 4000]
    assert start[:440] == b"\xeb" * 440
    assert struct.unpack_from("<I", start, 440) == (DISK_SIGNATURE,)
    assert start[510:] == b"\x55\xaa" + b"core" * 1000
    # flag, type, first sector, sectors: of the EFI system partition, and of the root file system
    entries = [struct.unpack_from("<B3xB3xII", start, 446 + 16 * number) for number in range(4)]
    assert entries[:2] == [(0, 0xEF, 2048, 32768), (0x80, 0x83, 34816, 16 * 2048)]
    assert entries[2:] == [(0, 0x83, 67584, 256 * 2048), (0, 0, 0, 0)]

    assert said_by("mtype", "-i", f"{image.disk}@@1M", "::EFI/BOOT/BOOTX64.EFI") == "efi"
    root = f"{image.disk}?offset={17 * MIB}"
    assert "kexec-root" in said_by("dumpe2fs", "-h", root)

    def of_root(request):
        return said_by("debugfs", "-R", request, root)

    assert of_root("cat /boot/grub/grub.cfg") == "linux /vmlinuz root=LABEL=kexec-root ro console=ttyS0\n"
    assert of_root("cat /etc/hostname") == "guest\n"
    assert "User:    42" in of_root("stat /var/secret")
    # No time is later than the one that all builds share, and none is the time of the build.
    for name in ("/", "/etc/hostname", "/var/secret", "/boot"):
        times = re.findall(r"^ ?(?:c|a|cr|m)time: 0x([0-9a-f]{8})", of_root(f"stat {name}"), re.MULTILINE)
        assert len(times) == 4
        assert max(int(moment, 16) for moment in times) == EPOCH, name


def test_a_boot_loader_that_does_not_fit_before_the_first_partition_is_refused(get, monkeypatch):
    monkeypatch.setattr(build, "build_rootfs", lambda *_, **__: None)
    monkeypatch.setattr(disk, "_make_root", lambda _, folder, *__: (folder / "core.img").write_bytes(bytes(MIB - 511)))
    monkeypatch.setattr(disk, "_make_esp", lambda *_: None)
    with pytest.raises(ImageError, match=f"core image is {MIB - 511} bytes and does not fit .* {MIB - 512} byt"):
        get(disk_mib=16)


def test_inodes_in_use_are_those_that_dumpe2fs_does_not_call_free():
    listing = "Inode count:              40\n  Free inodes: 14-16, 19\n  Free blocks: 12\n  Free inodes: 21-40\n"
    assert list(used_inodes(listing)) == [2, 11, 12, 13, 17, 18, 20]
    with pytest.raises(ImageError, match="how many inodes"):
        list(used_inodes("dumpe2fs: Bad magic number"))
