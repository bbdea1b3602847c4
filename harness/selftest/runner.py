"""The self-test's loop: clean reboots first, then one fault after the other, each on the machine put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.campaign.plan import nonce_of, plan
from harness.clock import Clock
from harness.cycle import CycleResult, Running, run_cycle
from harness.errors import MachineError
from harness.faults.base import Fault
from harness.faults.injector import Injector
from harness.lab import device_set_of, methods
from harness.model import BootPath, Event, FailureClass, Outcome, ProcessExit, Verdict
from harness.qemu.machine import Machine
from harness.registry import lookup
from harness.selftest.bench import Bench
from harness.selftest.keep import keep_trial
from harness.selftest.trial import CLEAN, Trial, complaints, deciding_text_at

ARMS = ("kexec", "cold")


class SelfTest:
    """Runs the trials of one image. Results go below `folder`."""

    def __init__(self, bench: Bench, clock: Clock, *, seed: int, folder: Path, say: Callable[[str], None]) -> None:
        self._bench = bench
        self._clock = clock
        self._seed = seed
        self._folder = folder
        self._say = say
        self._number = 0
        self._device_set = device_set_of(bench.cell)
        self._last: CycleResult | None = None

    @property
    def last_events(self) -> list[Event]:
        """Everything that the last trial's reboot gave."""
        return list(self._last.events) if self._last is not None else []

    @property
    def console_before(self) -> str:
        """What the console had printed when the machine was saved."""
        return self._bench.console_before()

    def clean(self, cycles: int) -> Iterator[Trial]:
        """Reboots in which nothing is wrong, by both arms in blocks, one after the other on one machine.

        Raises MachineError if the machine cannot be made, or prepared for a reboot.
        """
        arms = [lookup(methods(), name, "method") for name in ARMS]
        running: Running | None = None
        for slot in plan(arms, (cycles + 1) // 2, self._seed, self._bench.cell.cell_id):
            if slot.cycle >= cycles:
                return
            started = self._clock.monotonic()
            if running is None:
                machine, running = self._bench.restored()
            trial, running = self._reboot(machine, running, CLEAN, slot.method.name, started=started)
            if self._last is not None:
                self._bench.deadlines.learn(self._last.judgement.milestones, trial.verdict.path)
                self._bench.usual.learn(slot.method.name, self._last)
            yield trial
        self._bench.discard()

    def fault(self, fault: Fault) -> Trial:
        """One reboot with this fault in it. Raises MachineError if it could not be injected."""
        started = self._clock.monotonic()
        machine, running = self._bench.restored()
        injector = Injector(machine, fault)
        try:
            injector.prepare()
            trial, _ = self._reboot(injector, running, fault.name, fault.method, started=started, fault=fault)
        except MachineError:
            self._bench.discard()
            raise
        ended = any(isinstance(event, ProcessExit) for event in self.last_events)
        if fault.spoils_machine or ended:
            self._bench.discard()
        return trial

    def not_injected(self, fault: Fault, problem: str) -> Trial:
        """What stands for a reboot that could not be spoilt; it is never right."""
        verdict = Verdict(
            outcome=Outcome.INVALID,
            failure_class=FailureClass.INFRASTRUCTURE,
            path=BootPath.NONE,
            rule="not-injected",
            reason=problem,
            evidence="",
            last_milestone=None,
        )
        return Trial(
            image=self._bench.cell.image,
            number=self._number,
            fault=fault.name,
            method=fault.method,
            expected_outcome=fault.outcome,
            expected=fault.classes,
            verdict=verdict,
            text_to_verdict_s=None,
            took_s=0.0,
            complaints=("the fault could not be injected",),
        )

    def _reboot(
        self, machine: Machine, running: Running, name: str, method: str, *, started: float, fault: Fault | None = None
    ) -> tuple[Trial, Running | None]:
        result = run_cycle(
            machine,
            self._bench.cell,
            lookup(methods(), method, "method"),
            self._device_set,
            nonce=nonce_of(self._seed, self._bench.cell.cell_id, self._number),
            before=running,
            deadlines=self._bench.deadlines,
            kernel_expected=fault.kernel if fault else None,
            usual=self._bench.usual.of(method),
        )
        judged_at = self._clock.monotonic()
        self._last = result
        text_at = deciding_text_at(result.evidence)
        trial = Trial(
            image=self._bench.cell.image,
            number=self._number,
            fault=name,
            method=method,
            expected_outcome=fault.outcome if fault is not None and fault.classes else Outcome.PASS,
            expected=fault.classes if fault is not None else (),
            verdict=result.judgement.verdict,
            text_to_verdict_s=judged_at - text_at if text_at is not None else None,
            took_s=judged_at - started,
            complaints=complaints(fault, result.judgement.verdict) if fault is not None else (),
        )
        keep_trial(self._folder, trial, result.evidence)
        self._number += 1
        return trial, result.running


def applicable(faults: Sequence[Fault], image: str) -> list[Fault]:
    """The faults that can be injected into this image, those that keep the machine first."""
    chosen = [fault for fault in faults if not fault.images or image in fault.images]
    return sorted(chosen, key=lambda fault: fault.spoils_machine)
