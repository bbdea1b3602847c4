"""A kernel of the user's own: its files are found, put into a copy of an image's disk, and the image stays as it is."""

from __future__ import annotations

import hashlib
import struct
import subprocess
from pathlib import Path

import pytest
from msgspec import structs
from paths import PROJECT

from harness.clock import ManualClock
from harness.config import expand, read_matrix
from harness.errors import ConfigError
from harness.host.tools import find_tool
from harness.images import BuiltImage, load_recipe
from harness.images.disk import MIB, ROOT_START_MIB
from harness.images.early_modules import cpio
from harness.images.own_kernel import OwnKernel, release_of, with_own_kernel
from harness.lab import known_names
from harness.model import Cell

RELEASE = "6.99.0-rc1+mine"


def said_by(tool: str, *arguments: object, cwd: Path | None = None, stdin: bytes | None = None) -> str:
    command = [str(find_tool(tool)), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, check=True).stdout.decode()


def bzimage(path: Path, release: str = RELEASE) -> Path:
    """As little of a kernel as says its release (Linux Documentation/arch/x86/boot.rst)."""
    content = bytearray(4096)
    content[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", content, 0x20E, 0x300)
    text = f"{release} (me@here) #1 SMP\0".encode()
    content[0x500 : 0x500 + len(text)] = text
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def made_up_image(tmp_path: Path, recipe: str, modules: str = "usr/lib/modules") -> BuiltImage:
    """An image of a recipe, with an almost empty disk."""
    root = tmp_path / "root"
    for name in ("boot/vmlinuz-6.12.0", "boot/initrd.img-6.12.0", f"{modules}/6.12.0/modules.order"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    for name in ("vmlinuz", "initrd.img"):
        (root / name).symlink_to(f"boot/{name}-6.12.0")
    disk = tmp_path / "disk.raw"
    said_by("mke2fs", "-q", "-t", "ext4", "-d", root, "-E", f"offset={ROOT_START_MIB * MIB}", disk, "16m")
    (tmp_path / "initrd.img").write_bytes(cpio({"init": b"micro's"}))
    return BuiltImage(
        name=recipe,
        recipe=load_recipe(PROJECT / "images", recipe),
        disk=disk,
        sha256=hashlib.sha256(disk.read_bytes()).hexdigest(),
        kernel=tmp_path / "vmlinuz",
        initrd=tmp_path / "initrd.img",
        kernel_release="6.12.0",
        kernels=("6.12.0",),
        cmdline="root=LABEL=kexec-root ro",
        arch="x86_64",
        key="0" * 64,
    )


@pytest.fixture
def image(tmp_path):
    """An image of the recipe `micro`."""
    return made_up_image(tmp_path, "micro")


@pytest.fixture
def modules(tmp_path):
    """What `make modules_install INSTALL_MOD_PATH=...` leaves, of drivers that are no real ones."""
    folder = tmp_path / "my modules"
    tree = folder / "lib/modules" / RELEASE
    for name in ("kernel/drivers/block/virtio_blk.ko", "kernel/sound/dummy.ko"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    (tree / "modules.dep").write_text("kernel/drivers/block/virtio_blk.ko:\nkernel/sound/dummy.ko:\n")
    (tree / "modules.alias").write_text("alias virtio:d00000002v* virtio_blk\n")
    (tree / "build").symlink_to("/usr/src")
    return folder


@pytest.fixture
def put(image, tmp_path, monkeypatch):
    """Puts a kernel into the image."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    said: list[str] = []

    def ask(**own: Path) -> BuiltImage:
        own = {"kernel": tmp_path / "build/bzImage", **own}
        return with_own_kernel(
            image, OwnKernel(**own), cache_dir=tmp_path / "cache", clock=ManualClock(), progress=said.append
        )

    ask.said = said
    bzimage(tmp_path / "build/bzImage")
    return ask


def of_root(image: BuiltImage, request: str) -> str:
    return said_by("debugfs", "-R", request, f"{image.disk}?offset={ROOT_START_MIB * MIB}")


def fsck(image: BuiltImage) -> str:
    """What e2fsck finds; nothing is mended."""
    command = [str(find_tool("e2fsck")), "-f", "-n", f"{image.disk}?offset={ROOT_START_MIB * MIB}"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_the_kernel_is_what_the_copy_boots_and_the_image_is_untouched(put, image, modules, tmp_path):
    before = hashlib.sha256(image.disk.read_bytes()).hexdigest()
    found = put(modules=modules)
    assert (found.kernel_release, found.kernels, found.name) == (RELEASE, (RELEASE,), "micro")
    assert found.kernel.read_bytes() == (tmp_path / "build/bzImage").read_bytes()
    for name, file in (("vmlinuz", found.kernel), ("initrd.img", found.initrd)):
        assert f'Fast link dest: "boot/{name}-{RELEASE}"' in of_root(found, f"stat /{name}")
        said_by("debugfs", "-R", f'dump "/boot/{name}-{RELEASE}" {tmp_path}/out', f"{found.disk}?offset={17 * MIB}")
        assert (tmp_path / "out").read_bytes() == file.read_bytes()
    top = f"/usr/lib/modules/{RELEASE}"
    assert of_root(found, f'cat "{top}/kernel/sound/dummy.ko"') == "kernel/sound/dummy.ko"
    listed = of_root(found, f'ls "{top}"')
    assert "modules.dep" in listed
    assert "build" not in listed
    assert "WARNING" not in fsck(found)
    assert hashlib.sha256(image.disk.read_bytes()).hexdigest() == before


def test_a_release_that_the_image_has_keeps_its_other_modules(put, image, tmp_path):
    tree = tmp_path / "mine/lib/modules/6.12.0"
    (tree / "kernel").mkdir(parents=True)
    (tree / "modules.dep").write_text("")
    (tree / "kernel/new.ko").write_text("a new driver")
    found = put(kernel=bzimage(tmp_path / "mine/bzImage", "6.12.0"), modules=tmp_path / "mine")
    assert of_root(found, "cat /usr/lib/modules/6.12.0/kernel/new.ko") == "a new driver"
    assert of_root(found, "cat /usr/lib/modules/6.12.0/modules.order") == "usr/lib/modules/6.12.0/modules.order"
    assert "WARNING" not in fsck(found)


def test_modules_go_where_the_distribution_keeps_them(modules, monkeypatch, tmp_path):
    monkeypatch.setattr("os.fsync", lambda _: None)
    image = made_up_image(tmp_path, "alpine", "lib/modules")
    (tmp_path / "my.img").write_bytes(b"my initramfs")
    own = OwnKernel(kernel=bzimage(tmp_path / "bzImage"), modules=modules, initrd=tmp_path / "my.img")
    found = with_own_kernel(image, own, cache_dir=tmp_path / "cache", clock=ManualClock(), progress=lambda _: None)
    assert of_root(found, f"cat /lib/modules/{RELEASE}/kernel/sound/dummy.ko") == "kernel/sound/dummy.ko"
    assert "WARNING" not in fsck(found)


def test_micros_initramfs_gets_the_drivers_of_disks_and_no_others(put, image, modules, tmp_path):
    content = put(modules=modules).initrd.read_bytes()
    micros = image.initrd.read_bytes()
    assert content.startswith(micros)
    (tmp_path / "tree").mkdir()
    said_by("cpio", "-i", "--quiet", cwd=tmp_path / "tree", stdin=content[len(micros) :])
    names = {path.name for path in (tmp_path / "tree").rglob("*") if path.is_file()}
    assert names == {"virtio_blk.ko", "modules.dep", "modules.alias"}


def test_the_same_files_are_put_in_once_and_others_again(put, modules, tmp_path):
    first = put(modules=modules)
    assert put(modules=modules) == first
    (modules / "lib/modules" / RELEASE / "kernel/sound/dummy.ko").write_text("another driver")
    assert put(modules=modules).key != first.key
    (tmp_path / "my.img").write_bytes(b"my initramfs")
    assert put(initrd=tmp_path / "my.img").initrd.read_bytes() == b"my initramfs"
    assert len(put.said) == 3


def test_files_that_do_not_fit_are_named_with_what_to_do(put, image, modules, tmp_path):
    bzimage(tmp_path / "other", "6.1.0")
    with pytest.raises(ConfigError, match=r"MODULES: .*has no lib/modules/6\.1\.0/modules\.dep\n  make modules_inst"):
        put(kernel=tmp_path / "other", modules=modules)
    (tmp_path / "vmlinux").write_bytes(b"\x7fELF" + bytes(4096))
    with pytest.raises(ConfigError, match=r"KERNEL: .*vmlinux is no kernel image of x86\n  give arch/x86/boot/bzImage"):
        release_of(tmp_path / "vmlinux")
    with pytest.raises(ConfigError, match=r"KERNEL: .*nothing: No such file"):
        release_of(tmp_path / "nothing")
    debian = structs.replace(image, name="debian-13", recipe=load_recipe(PROJECT / "images", "debian-13"))
    with pytest.raises(
        ConfigError, match=r"debian-13 is made for its own kernel\n  give the one .* or take IMAGE=micro"
    ):
        with_own_kernel(
            debian,
            OwnKernel(kernel=tmp_path / "build/bzImage"),
            cache_dir=tmp_path,
            clock=ManualClock(),
            progress=print,
        )


def test_a_file_is_a_kernel_by_its_slash_and_a_run_has_one(settings):
    def cells(**given: str):
        wanted = settings(**given)
        return expand(read_matrix(wanted.matrix), wanted, known_names(wanted)).cells

    assert [cell.cell_id for cell in cells(kernel="../linux/bzImage")] == ["debian-13+virtio-net+seabios+bzImage"]
    assert cells(kernel="./a b.img")[0] == Cell(image="debian-13", device_set="virtio-net", kernel="./a b.img")
    with pytest.raises(ConfigError, match=r"a/b and c/d are files: a run has one kernel of its own"):
        cells(kernel="a/b,c/d")
    with pytest.raises(ConfigError, match="modules: belongs to a KERNEL that is a file, and there is none"):
        cells(kernel="6.12", modules="lib")
