"""Several runs made into one: the shards of a matrix, each run on a machine of its own.

Only what belongs together is merged. Runs with other settings, another seed, another QEMU or other images would give
one table of numbers that mean different things; a cell that two of them ran would be counted twice.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from msgspec import structs

from harness.errors import ConfigError, StoreError
from harness.model import RunInfo, RunPart
from harness.store import RUN_FILE, read_run, read_run_info, write_run

JUNIT = "junit.xml"
#: settings that may differ: which cells a part ran, where it kept things, and how many at a time
OF_A_PART = frozenset(
    {
        *("device", "image", "firmware", "loader", "kernel", "machine", "select", "shard", "matrix"),
        *("jobs", "results", "cache_dir", "images_dir", "qemu", "mirror", "cycle_seconds"),
    }
)


def find_runs(folders: Sequence[Path]) -> list[Path]:
    """The folders of runs that are meant: each one named, or those right below it (CI systems download so).

    Raises ConfigError for a folder without any, and for a run that is named twice.
    """
    found: dict[Path, Path] = {}
    for folder in folders:
        below = (path.parent for path in sorted(folder.glob(f"*/{RUN_FILE}")) if not path.parent.is_symlink())
        runs = [folder] if (folder / RUN_FILE).exists() else list(below)
        if not runs:
            raise ConfigError(f"no run in it, no {RUN_FILE}", file=folder, mend="name folders of runs, or one of them")
        for run in runs:
            if run.resolve() in found:
                raise ConfigError(f"the same run as {found[run.resolve()]}", file=run, mend="name each run once")
            found[run.resolve()] = run
    return list(found.values())


def merge(out: Path, runs: Sequence[Path]) -> RunInfo:
    """Make the run `out` from these, and give its description. The parts stay as they are.

    Raises ConfigError for runs that do not belong together and for an `out` that exists, StoreError for what cannot
    be read or written; then there is no `out`.
    """
    if out.exists():
        raise ConfigError("exists already", file=out, mend="name a new folder for the merged run")
    parts = [(run, read_run_info(run)) for run in runs]
    for run, _ in parts:
        # What cannot be read is said before anything is copied.
        read_run(run)
    info = joined(out.name, parts)
    half = out.with_name(f".{out.name}.part")
    try:
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(parents=True)
        for run, _ in parts:
            _copy(run, half)
        _merge_junit([run / JUNIT for run, _ in parts], half / JUNIT)
        write_run(half, info)
        half.rename(out)
    except OSError as error:
        raise StoreError(f"{error.filename or out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return info


def joined(run_id: str, parts: Sequence[tuple[Path, RunInfo]]) -> RunInfo:
    """The description of all parts together. Raises ConfigError if they do not belong together."""
    (first_dir, first), *others = parts
    for run_dir, info in others:
        _check_same(first_dir, first, run_dir, info)
    _check_apart(parts)
    infos = [info for _, info in parts]
    ended = [info.ended_at for info in infos]
    statuses = [info.exit_status for info in infos]
    return structs.replace(
        first,
        run_id=run_id,
        started_at=min(info.started_at for info in infos),
        ended_at=max(end for end in ended if end is not None) if None not in ended else None,
        exit_status=max(status for status in statuses if status is not None) if None not in statuses else None,
        # Every part has its own.
        host={} if any(info.host != first.host for info in infos) else first.host,
        settings={name: setting for name, setting in first.settings.items() if name not in OF_A_PART},
        cell_settings={cell: own for info in infos for cell, own in info.cell_settings.items()},
        cells=tuple(cell for info in infos for cell in info.cells),
        images={name: sha256 for info in infos for name, sha256 in info.images.items()},
        argv={cell: argv for info in infos for cell, argv in info.argv.items()},
        skipped={cell: reason for info in infos for cell, reason in info.skipped.items()},
        skipped_arms={cell: reasons for info in infos for cell, reasons in info.skipped_arms.items()},
        parts=tuple(part for info in infos for part in _parts(info)),
    )


def missing_shards(info: RunInfo) -> list[str]:
    """Shards that other parts of a merged run say there are, and that are not in it."""
    found = {part.shard for part in info.parts if part.shard is not None}
    counts = {int(of) for shard in found if (of := shard.partition("/")[2]).isdecimal()}
    return [f"{number}/{of}" for of in sorted(counts) for number in range(1, of + 1) if f"{number}/{of}" not in found]


def _parts(info: RunInfo) -> tuple[RunPart, ...]:
    """A run as a part; of one that was merged itself, its parts."""
    if info.parts:
        return info.parts
    return (
        RunPart(
            run_id=info.run_id,
            started_at=info.started_at,
            ended_at=info.ended_at,
            exit_status=info.exit_status,
            shard=_shard(info),
            host=info.host,
            cells=tuple(cell.cell_id for cell in info.cells),
        ),
    )


def _shard(info: RunInfo) -> str | None:
    setting = info.settings.get("shard")
    return str(setting.value) if setting is not None and setting.value else None


def _check_same(first_dir: Path, first: RunInfo, run_dir: Path, info: RunInfo) -> None:
    for what, one, other in _what_must_agree(first, info):
        if one != other:
            mend = "merge runs of one campaign only: the same version, settings, seed, QEMU, accelerator and images"
            raise ConfigError(f"{what} is {other!r}, but {one!r} in {first_dir}", file=run_dir / RUN_FILE, mend=mend)


def _what_must_agree(first: RunInfo, info: RunInfo) -> Iterator[tuple[str, object, object]]:
    yield "the harness's version", first.harness_version, info.harness_version
    yield "the seed", first.seed, info.seed
    yield "the accelerator", first.accel.value, info.accel.value
    yield "QEMU's version", first.qemu_version, info.qemu_version
    for name in sorted(first.settings.keys() | info.settings.keys()):
        if name not in OF_A_PART:
            one, other = first.settings.get(name), info.settings.get(name)
            yield f"setting {name}", one.value if one else None, other.value if other else None
    for image in sorted(first.images.keys() & info.images.keys()):
        yield f"the sha256 of image {image}", first.images[image], info.images[image]


def _check_apart(parts: Sequence[tuple[Path, RunInfo]]) -> None:
    images: dict[str, tuple[str, Path]] = {}
    cells: dict[str, Path] = {}
    shards: dict[str, Path] = {}
    for run_dir, info in parts:
        for image, sha256 in info.images.items():
            known, where = images.setdefault(image, (sha256, run_dir))
            if known != sha256:
                problem = f"the sha256 of image {image} is {sha256!r}, but {known!r} in {where}"
                raise ConfigError(problem, file=run_dir / RUN_FILE, mend="use one built image for all parts")
        for cell_id in [cell.cell_id for cell in info.cells]:
            if cell_id in cells:
                mend = "merge runs of different cells; a cell's blocks belong to one run"
                raise ConfigError(f"cell {cell_id} is in {cells[cell_id]}, too", file=run_dir / RUN_FILE, mend=mend)
            cells[cell_id] = run_dir
        _check_shards(run_dir, info, shards)


def _check_shards(run_dir: Path, info: RunInfo, shards: dict[str, Path]) -> None:
    for shard in filter(None, (part.shard for part in _parts(info))):
        of = shard.partition("/")[2]
        other = next((seen for seen in shards if seen == shard or seen.partition("/")[2] != of), None)
        if other is not None:
            problem = f"it is shard {shard}, and {shards[other]} is shard {other}"
            raise ConfigError(problem, file=run_dir / RUN_FILE, mend="merge the shards of one division, each once")
        shards[shard] = run_dir


def _copy(run: Path, out: Path) -> None:
    """The records and artefacts of a part. Links are left out: a run has none, and one could lead anywhere."""
    for kind in ("cells", "scenarios"):
        for folder in sorted((run / kind).iterdir()) if (run / kind).is_dir() else []:
            if folder.is_dir() and not folder.is_symlink():
                shutil.copytree(folder, out / kind / folder.name, ignore=_links)


def _links(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_symlink()]


def _merge_junit(files: Sequence[Path], out: Path) -> None:
    """Every suite of every file, with its cases, in one file; none if no part has one."""
    whole = ET.Element("testsuites", name="kexec-harness")
    for file in files:
        if not file.exists():
            continue
        try:
            root = ET.parse(file).getroot()
        except ET.ParseError as error:
            raise StoreError(f"{file}: not XML: {error}") from error
        whole.extend([root] if root.tag == "testsuite" else root.findall("testsuite"))
    if len(whole):
        whole.set("tests", str(len(list(whole.iter("testcase")))))
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            whole.set(name, str(len(list(whole.iter(tag)))))
        ET.ElementTree(whole).write(out, encoding="utf-8", xml_declaration=True)
