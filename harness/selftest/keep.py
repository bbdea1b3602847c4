"""A trial on disk: what was seen and what was said, so that it can be judged once more by another classifier.

<run>/selftest/trials.jsonl                       one line per trial
<run>/selftest/<image>/<number>-<fault>/evidence.json.gz   everything observed
<run>/selftest/<image>/<number>-<fault>/console.log        the console's bytes
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.errors import StoreError
from harness.model import Evidence
from harness.selftest.trial import Trial
from harness.store import write_console

TRIALS = "trials.jsonl"
EVIDENCE = "evidence.json.gz"
CONSOLE = "console.log"

_trials = msgspec.json.Decoder(Trial)
_evidence = msgspec.json.Decoder(Evidence)


def keep_trial(folder: Path, trial: Trial, evidence: Evidence) -> None:
    """Write a trial below the self-test's folder. Raises StoreError."""
    place = folder_of(folder, trial)
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / EVIDENCE).write_bytes(gzip.compress(msgspec.json.encode(evidence), compresslevel=5, mtime=0))
        write_console(place / CONSOLE, evidence.events)
        with (folder / TRIALS).open("ab") as file:
            file.write(msgspec.json.encode(trial) + b"\n")
    except OSError as error:
        raise StoreError(f"{place}: {error.strerror}") from error


def folder_of(folder: Path, trial: Trial) -> Path:
    """Where a trial's own files are."""
    return folder / trial.image / f"{trial.number:03d}-{trial.fault}"


def read_trials(folder: Path) -> Iterator[tuple[Trial, Evidence]]:
    """The trials of a self-test with their evidence. Raises StoreError."""
    path = folder / TRIALS
    try:
        for line in path.read_bytes().splitlines():
            trial = _trials.decode(line)
            packed = (folder_of(folder, trial) / EVIDENCE).read_bytes()
            yield trial, _evidence.decode(gzip.decompress(packed))
    except OSError as error:
        raise StoreError(f"{error.filename or path}: {error.strerror}; is this the folder of a self-test?") from error
    except (msgspec.DecodeError, EOFError) as error:
        raise StoreError(f"{path}: {error}") from error
