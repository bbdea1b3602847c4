"""Recipes: images/NAME.toml, read strictly, with the file and line of whatever is wrong in them."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from harness.errors import ConfigError

PackageName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
#: no character that GRUB's script or a shell would take for more than itself
KernelWord = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.,:/=+@%-]+$")]
UnitName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.@:-]+\.(service|timer|socket|target|mount|path)$")]
Snapshot = Annotated[str, Meta(pattern=r"^[0-9]{8}T[0-9]{6}Z$")]


class RecipeFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a recipe file may say."""

    distro: Literal["debian"]
    #: suite of the mirror, for example `trixie`
    release: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]*$")]
    arch: Literal["x86_64"]
    init: Literal["systemd"]
    #: size of the root file system in MiB
    disk_mib: Annotated[int, Meta(ge=256, le=1 << 20)]
    packages: tuple[PackageName, ...]
    #: words of the kernel command line, after `root=LABEL=kexec-root ro`
    cmdline: tuple[KernelWord, ...]
    #: systemd units that are switched on, and those that must never start
    enable: tuple[UnitName, ...] = ()
    mask: tuple[UnitName, ...] = ()
    #: take the packages of this moment (UTC) from a mirror that keeps its past
    snapshot: Snapshot | None = None


class Recipe(RecipeFile, frozen=True, kw_only=True):
    """A recipe with its name, which is the file's."""

    name: str

    @property
    def command_line(self) -> str:
        """The kernel's whole command line, as GRUB gives it."""
        return " ".join(("root=LABEL=kexec-root", "ro", *self.cmdline))


def recipe_files(images_dir: Path) -> dict[str, Path]:
    """Image name -> recipe file, sorted by name."""
    return {path.stem: path for path in sorted(images_dir.glob("*.toml"))}


def recipes(images_dir: Path) -> dict[str, Recipe]:
    """Every recipe of `images_dir` by name. Raises ConfigError for a wrong one."""
    return {name: read_recipe(path) for name, path in recipe_files(images_dir).items()}


def load_recipe(images_dir: Path, name: str) -> Recipe:
    """The recipe called `name`. Raises ConfigError if there is none or it is wrong."""
    files = recipe_files(images_dir)
    if name not in files:
        close = difflib.get_close_matches(name, files, n=1)
        mend = f"did you mean {close[0]}? " if close else ""
        raise ConfigError(
            f"no image is called {name!r}",
            mend=f"{mend}known images: {', '.join(files) or 'none'} (a recipe is a file {images_dir}/NAME.toml)",
        )
    return read_recipe(files[name])


def read_recipe(path: Path) -> Recipe:
    """Read one recipe file. Raises ConfigError with file and line."""
    try:
        text = path.read_text("utf-8")
        table = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=path) from error
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"\(at line (\d+)", str(error))
        raise ConfigError(f"not TOML: {error}", file=path, line=int(at[1]) if at else None) from error
    try:
        content = msgspec.convert(table, RecipeFile)
    except msgspec.ValidationError as error:
        raise _wrong_recipe(path, text, table, str(error)) from error
    return Recipe(name=path.stem, **msgspec.structs.asdict(content))


def _wrong_recipe(path: Path, text: str, table: dict[str, Any], message: str) -> ConfigError:
    """Turn msgspec's message (`Expected `int`, got `str` - at `$.disk_mib``) into one with a place."""
    known = [field.name for field in msgspec.structs.fields(RecipeFile)]
    if unknown := re.search(r"unknown field `(.+?)`", message):
        key = unknown[1]
        close = difflib.get_close_matches(key, known, n=1)
        mend = f"did you mean {close[0]}? " if close else ""
        return ConfigError(
            "unknown key", file=path, line=_line_of(text, key), key=key, mend=f"{mend}known keys: {', '.join(known)}"
        )
    if missing := re.search(r"missing required field `(.+?)`", message):
        return ConfigError("missing key", file=path, key=missing[1])
    problem, _, place = message.partition(" - at `$.")
    key = re.split(r"[^a-z_]", place)[0]
    item = re.search(r"\[(\d+)\]", place)
    value = table[key][int(item[1])] if item else table.get(key)
    line = _line_of(text, key, value if item else None)
    return ConfigError(f"{problem} (it is {value!r})", file=path, line=line, key=key)


def _line_of(text: str, key: str, item: object = None) -> int | None:
    """Number of the line that sets `key`, or of the array item `item` (a string or number) at or after it."""
    lines = text.splitlines()
    start = next((n for n, line in enumerate(lines) if re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line)), None)
    if start is None:
        start = next((n for n, line in enumerate(lines) if re.match(rf"\s*\[+\s*{re.escape(key)}\b", line)), None)
    if start is None:
        return None
    if item is not None:
        start = next((n for n in range(start, len(lines)) if str(item) in lines[n]), start)
    return start + 1
