"""Recipes: what they say, their mistakes, and what an image is built of."""

from __future__ import annotations

from pathlib import Path

import pytest
from paths import PROJECT
from small_recipe import MIRROR, RECIPE, small_images_dir

from harness.errors import ConfigError, ImageError
from harness.images import guestfiles, load_recipe, recipes
from harness.images.alpine import borrowing_words
from harness.images.rootfs import mmdebstrap_words

GOLDEN = Path(__file__).parent / "testdata" / "images"


@pytest.fixture
def images_dir(tmp_path):
    return small_images_dir(tmp_path)


def test_the_images_that_come_with_the_harness():
    found = recipes(PROJECT / "images")
    assert (found["debian-12"].release, found["debian-13"].release) == ("bookworm", "trixie")
    assert found["debian-13"].command_line.startswith("root=LABEL=kexec-root ro console=ttyS0,115200 ")


@pytest.mark.parametrize(
    ("right", "wrong", "place", "problem"),
    [
        ("disk_mib", "disk_mb", "5: disk_mb", "unknown key 'disk_mb'; .*did you mean disk_mib"),
        ("disk_mib = 256", 'disk_mib = "256"', "5: disk_mib", "Expected `int`, got `str`; it is '256'"),
        ("disk_mib = 256", "disk_mib = 255", "5: disk_mib", "Expected `int` >= 256; it is 255"),
        ('"debian"', '"gentoo"', "1: distro", "Invalid enum value 'gentoo'; it is 'gentoo'"),
        ('"systemd"]', '"systemd; reboot"]', "7: packages", ".*; it is 'systemd; reboot'"),
        ('"console=ttyS0"', '"console=$x"', "8: cmdline", r".*; it is 'console=\$x'"),
        ('arch = "x86_64"\n', "", " arch", "is missing"),
        ('distro = "debian"', "distro = debian", "1", "not TOML: "),
    ],
)
def test_a_wrong_recipe_is_named_by_file_line_and_key(images_dir, right, wrong, place, problem):
    path = images_dir / "small.toml"
    path.write_text(RECIPE.replace(right, wrong, 1))
    with pytest.raises(ConfigError, match=f"^{path}:{place}: {problem}") as caught:
        load_recipe(images_dir, "small")
    assert caught.value.exit_code == 4


def test_a_recipe_has_the_keys_of_the_one_that_it_is_based_on(images_dir):
    path = images_dir / "more.toml"
    path.write_text('base = "small"\ndisk_mib = 512\nmore_kernels = ["linux-image-amd64/trixie-backports"]\n')
    small, more = (load_recipe(images_dir, name) for name in ("small", "more"))
    assert (more.name, more.disk_mib, more.packages, more.cmdline) == ("more", 512, small.packages, small.cmdline)
    assert (small.more_kernels, more.more_kernels) == ((), ("linux-image-amd64/trixie-backports",))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('base = "smal"', "1: base: unknown recipe to be based on 'smal'; known: chained, small; did you mean small?"),
        ('base = "more"', "1: base: unknown recipe to be based on 'more'"),
        ('base = "chained"', "1: base: chained.toml is based on another itself"),
        ('base = "small"\ndisk_mib = 1', "2: disk_mib: Expected `int` >= 256; it is 1"),
        ('base = "small"\nmore_kernels = ["linux-image-amd64"]', "2: more_kernels: .*; it is 'linux-image-amd64'"),
    ],
)
def test_a_wrong_base_is_named_with_its_place(images_dir, text, problem):
    (images_dir / "chained.toml").write_text('base = "small"\n')
    path = images_dir / "more.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"^{path}:{problem.replace('?', '[?]')}"):
        load_recipe(images_dir, "more")


def test_services_of_openrc_are_refused_where_there_is_none(images_dir):
    path = images_dir / "small.toml"
    path.write_text(RECIPE + 'services = ["boot/hostname"]\n')
    with pytest.raises(
        ConfigError, match=f"^{path}:9: services: names OpenRC's services, and this image's init is sys"
    ):
        load_recipe(images_dir, "small")


def test_units_are_refused_where_no_systemd_would_read_them(images_dir):
    path = images_dir / "small.toml"
    path.write_text(RECIPE.replace('init = "systemd"', 'init = "busybox"\nmask = ["man-db.timer"]'))
    with pytest.raises(ConfigError, match=f"^{path}:5: mask: names systemd's units, and this image's init is busybox"):
        load_recipe(images_dir, "small")


# ---- what an image gets ---------------------------------------------------------------------------------------


def test_each_init_system_brings_its_own_part_of_the_agent():
    found = recipes(PROJECT / "images")
    files = {name: guestfiles.collect(PROJECT / "images", found[name]) for name in ("debian-13", "micro", "alpine")}
    agents, parts = (
        [next(file.content for file in files[name] if file.path == f"usr/lib/kexec-harness/{part}") for name in files]
        for part in ("agent", "init.sh")
    )
    assert len(set(agents)) == 1
    assert len(set(parts)) == len(files)
    # kexec-load is systemd's; an image without it gets what does the same two steps.
    paths = {name: {file.path for file in files[name]} for name in files}
    for name in ("micro", "alpine"):
        assert guestfiles.PACKAGE in paths["debian-13"] - paths[name]
        assert {"usr/sbin/reboot", "usr/lib/kexec-harness/next-kernel.sh"} <= paths[name] - paths["debian-13"]


def test_the_boot_loaders_menu_calls_each_distribution_by_its_name():
    found = recipes(PROJECT / "images")
    configs = {
        name: next(
            file.content.decode()
            for file in guestfiles.collect(PROJECT / "images", found[name])
            if file.path == guestfiles.GRUB_CONFIG
        )
        for name in ("debian-12", "alpine")
    }
    assert "menuentry 'Debian GNU/Linux' --class debian --class gnu-linux" in configs["debian-12"]
    assert "menuentry 'Alpine Linux' --class alpine --class gnu-linux" in configs["alpine"]
    assert "@" not in "".join(configs.values())


@pytest.mark.parametrize("name", recipes(PROJECT / "images"))
def test_what_an_image_is_built_with(name, golden):
    """One word of mmdebstrap's command line per line, then the guest's files."""
    recipe = load_recipe(PROJECT / "images", name)
    if recipe.distro == "debian":
        words = mmdebstrap_words(recipe, mirror=MIRROR, guest_tar=Path("guest.tar"), target=Path("rootfs.tar"))
    else:
        words = borrowing_words(recipe, mirror=MIRROR, target=Path("debian.tar"))
    files = [f"{file.mode:o} /{file.path}" for file in guestfiles.collect(PROJECT / "images", recipe)]
    golden(GOLDEN / f"{name}.txt", "\n".join([*words, *files, ""]))


def test_every_golden_file_has_its_recipe():
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(recipes(PROJECT / "images"))


def test_two_sources_of_one_guest_file_are_named(images_dir):
    for folder in ("guest", "init/systemd"):
        (images_dir / folder / "etc").mkdir(parents=True, exist_ok=True)
        (images_dir / folder / "etc/motd").write_text(folder)
    wanted = f"both {images_dir}/guest and {images_dir}/init/systemd bring /etc/motd"
    with pytest.raises(ImageError, match=f"^{wanted}$"):
        guestfiles.collect(images_dir, load_recipe(images_dir, "small"))
