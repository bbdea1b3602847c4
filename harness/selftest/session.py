"""One run of the self-test: each image on a bench of its own, side by side if there are jobs for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import structs

from harness.campaign.usual import ENOUGH
from harness.classify.classifier import classify
from harness.clock import Clock
from harness.config import Settings
from harness.errors import MachineError
from harness.faults.base import Fault
from harness.images import DiskRecipe
from harness.lab import Lab, all_faults, recipe_of
from harness.model import Cell, FailureClass, Outcome
from harness.registry import lookup
from harness.selftest.bench import Bench
from harness.selftest.keep import read_trials
from harness.selftest.record import record
from harness.selftest.runner import ARMS, SelfTest, applicable
from harness.selftest.summary import describe
from harness.selftest.trial import Trial, complaints
from harness.store import create_run, new_run_id

#: the cell that faults are injected into, but for its image: the devices that every machine has
DEVICE_SET = "virtio-net"
IMAGES = ("debian-12", "debian-13")
#: with those that only look ill, more than 25 per image; and enough to learn what is slow
CLEAN_CYCLES = 16
#: of a run's folder, where the self-test keeps its trials
FOLDER = "selftest"


def choose(names: Sequence[str], *, quick: bool) -> list[Fault]:
    """The faults of these names; without any, all of them, or those that everybody's tests have time for.

    Raises ConfigError for an unknown name.
    """
    known = all_faults()
    if names:
        return [lookup(known, name, "fault") for name in names]
    return [fault for fault in known.values() if fault.quick or not quick]


class Session:
    """Runs the self-test on several images. `say` gets a line per trial, as it is over."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        folder: Path,
        say: Callable[[str], None],
        record_to: Path | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._folder = folder
        self._say = say
        self._record_to = record_to
        self._lab = Lab(settings, clock, say)
        self._stopped = threading.Event()
        self._benches: list[Bench] = []

    def run(self, images: Sequence[str], faults: Sequence[Fault], clean: int) -> list[Trial]:
        """Every trial of every image.

        Raises ConfigError for an image that was not made here, MachineError if a machine does not come up.
        """
        for image in images:
            if isinstance(recipe_of(self._settings, image), DiskRecipe):
                problem = f"{image} was not made here, and faults are injected into what the harness has laid out"
                raise self._settings.error("image", problem)
        for image in images:
            self._lab.image(image)
        self._lab.accel  # noqa: B018  # proven once, before several benches want it
        if self._settings.jobs == 1 or len(images) == 1:
            return [trial for image in images for trial in self._run_image(image, faults, clean)]
        with ThreadPoolExecutor(max_workers=self._settings.jobs) as pool:
            try:
                runs = [pool.submit(self._run_image, image, faults, clean) for image in images]
                return [trial for run in runs for trial in run.result()]
            except BaseException:
                self._stop()
                raise

    def _stop(self) -> None:
        """Let every bench come to its end now: one image's error, or Ctrl-C, is all images' end."""
        self._stopped.set()
        for bench in list(self._benches):
            bench.kill()

    def _run_image(self, image: str, faults: Sequence[Fault], clean: int) -> list[Trial]:
        cell = Cell(image=image, device_set=DEVICE_SET)
        bench = Bench(self._lab, cell, self._settings.cache_dir, self._say)
        self._benches.append(bench)
        test = SelfTest(bench, self._clock, seed=self._settings.seed, folder=self._folder, say=self._say)
        trials: list[Trial] = []
        try:
            bench.start()
            for trial in self._trials(test, image, faults, max(clean, clean_needed(faults))):
                if self._stopped.is_set():
                    break
                self._say(describe(trial))
                trials.append(trial)
        finally:
            bench.close()
        return trials

    def _trials(self, test: SelfTest, image: str, faults: Sequence[Fault], clean: int) -> Iterable[Trial]:
        yield from test.clean(clean)
        for fault in applicable(faults, image):
            try:
                trial = test.fault(fault)
            except MachineError as error:
                yield test.not_injected(fault, str(error))
                continue
            if self._record_to is not None:
                record(self._record_to, trial, fault, test.console_before, test.last_events)
            yield trial


def clean_needed(faults: Sequence[Fault]) -> int:
    """Clean reboots without which a fault could not be seen: what is slow is learnt, for each arm."""
    return ENOUGH * len(ARMS) if any(FailureClass.SLOW in fault.classes for fault in faults) else 0


def run_selftest(
    settings: Settings,
    clock: Clock,
    images: Sequence[str],
    faults: Sequence[Fault],
    *,
    clean: int,
    say: Callable[[str], None],
    record_to: Path | None = None,
) -> list[Trial]:
    """Run the self-test into a new run's folder. Raises MachineError, StoreError."""
    run_dir = create_run(settings.results, new_run_id(clock))
    folder = run_dir / FOLDER
    say(f"results: {folder}")
    return Session(settings, clock, folder=folder, say=say, record_to=record_to).run(images, faults, clean)


def judge_again(folder: Path, record_to: Path | None = None) -> list[Trial]:
    """The kept trials with the verdicts that the classifier gives now; their consoles as test data, if asked for.

    Raises StoreError.
    """
    known = all_faults()
    trials = []
    for trial, evidence in read_trials(folder):
        fault = known.get(trial.fault)
        verdict = classify(evidence).verdict
        if fault is not None and record_to is not None:
            record(record_to, trial, fault, "", list(evidence.events))
        trials.append(
            structs.replace(
                trial,
                verdict=verdict,
                expected=fault.classes if fault else (),
                expected_outcome=fault.outcome if fault and fault.classes else Outcome.PASS,
                complaints=complaints(fault, verdict) if fault else (),
            )
        )
    return trials
