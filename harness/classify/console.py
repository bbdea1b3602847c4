"""The console's part in a reboot: milestones, text that ends a boot, symptoms, and what takes them back."""

from __future__ import annotations

import re
from typing import Protocol

from msgspec import Struct

from harness.classify.kernel_time import KernelTime
from harness.classify.lines import Line, LineAssembler
from harness.classify.rules import (
    ENDINGS,
    HOLDERS,
    KERNEL_MESSAGE,
    KERNEL_WORDS,
    KEXEC_LOAD,
    LEFT_USERSPACE,
    MILESTONES,
    PANIC_GOES_ON,
    PLAIN_ENDINGS,
    PLAIN_SYMPTOMS,
    RESTART,
    SYMPTOMS,
    TextRule,
)
from harness.model import FailureClass, Milestone, Stage

MAX_SYMPTOMS = 64
#: an oops names the function that it happened in some lines later
NAMED_WITHIN_LINES = 60

_FIRST_TIME = 0.0
_NUMBERS = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+")
_PLACE = re.compile(r"\b(?:RIP|e?pc)\b.*?: ?(?:\d{4}:)?(?P<place>[A-Za-z_][\w.]*)")


class Sign(Struct, frozen=True):
    """A rule of text that matched: where, when, and how far the reboot had come."""

    rule: TextRule
    line: Line
    t: float
    stage: Stage
    #: the new kernel had not printed its first line
    of_old_kernel: bool
    #: what stays the same when it happens again: the text without its numbers, and the function named later
    signature: str = ""


class Reboot(Protocol):
    """What the reader needs of the reboot that it reads for."""

    at: dict[Milestone, float]
    resets: list[float]

    @property
    def stage(self) -> Stage: ...

    def reach(self, milestone: Milestone, t: float) -> None: ...

    def reach_again(self, milestone: Milestone, t: float) -> None: ...


class ConsoleReader:
    """Reads the console of a reboot. What it finds is the same for any split of the bytes into pieces."""

    def __init__(
        self, reboot: Reboot, *, host_clock: bool, offset: int = 0, newlines: int = 0, soft: bool = False
    ) -> None:
        """`soft`: userspace alone is to start anew, so that no hand-off stands before it."""
        self.ending: Sign | None = None
        #: the kernel went on as one does that has panicked
        self.panic_went_on = False
        self.symptoms: list[Sign] = []
        #: what held up the shutdown, by its own words, the latest first
        self.holder: str | None = None
        self.left_userspace = False
        #: somebody has announced a restart of the machine since its last boot
        self.restart_announced = False
        #: the old kernel has said that it restarts the machine
        self.restarted = False
        #: when systemd said that it starts, in the system that was asked to reboot, under the kernel that ran then
        self.userspace_at: float | None = None
        self.jumped_at: float | None = None
        #: what kexec-load said of its decision
        self.kexec_load_said: str | None = None
        self._reboot = reboot
        self._host_clock = host_clock
        self._soft = soft
        self._time: KernelTime | None = None
        self._systemd_starts = 0
        #: the ending has been followed by another boot: nothing that boot says takes it back
        self._sealed = False
        self._unnamed = 0
        self._lines = LineAssembler(offset, newlines)

    def feed(self, t: float, text: str) -> None:
        """Read a piece of the console that arrived at `t`."""
        for line in self._lines.feed(text):
            self.read(t, line)

    def finish(self, t: float) -> None:
        """Read the last line even if it does not end."""
        for line in self._lines.finish():
            self.read(t, line)

    def unfinished(self) -> Line | None:
        """The line that has not ended yet."""
        return self._lines.peek()

    def peek(self) -> TextRule | None:
        """The rule of `ENDINGS` that the unfinished line matches, such as a shell's prompt; nothing is noted."""
        line = self._lines.peek()
        if line is None:
            return None
        messages = [line.text[found.end() :] for found in KERNEL_MESSAGE.finditer(line.text)]
        return _first(ENDINGS, messages, PLAIN_ENDINGS[self._reboot.stage], line.text)

    def marks(self) -> tuple[object, ...]:
        """All that was found to mean something so far, as `Progress.marks`."""
        return (
            self.ending,
            len(self.symptoms),
            self.symptoms[-1:],
            self.holder,
            self.left_userspace,
            self.restart_announced,
            self.restarted,
            self.userspace_at,
            self.jumped_at,
            self.kexec_load_said,
            self.panic_went_on,
            self._sealed,
        )

    @property
    def in_doubt(self) -> bool:
        """Whether a panic has so far only been announced, which anybody may do who may write to the kernel's log."""
        ending = self.ending
        return ending is not None and ending.rule.kernel and not self.panic_went_on and not self._sealed

    def new_boot(self) -> None:
        """The machine was reset, or the loaded kernel runs: what comes now is another system's."""
        self._sealed = self._sealed or self.ending is not None
        self._time = None
        self.restart_announced = False

    def agent_speaks(self, *, up: bool) -> None:
        """The guest's agent said something: a system runs that had not ended, and perhaps says that it is up.

        The agent may well run while systemd gives a boot up.
        """
        ending = self.ending
        if ending is None or self._sealed or ending.stage is Stage.SHUTDOWN:
            return
        if up or ending.rule.failure_class not in {FailureClass.EMERGENCY_MODE, FailureClass.NO_READY}:
            self.ending = None

    def answers(self) -> None:
        """The guest's agent answered a question that was asked after the text that seemed to end the boot."""
        if not self._sealed:
            self.ending = None

    # ---- a line -------------------------------------------------------------------------------------------

    def read(self, t: float, line: Line) -> None:
        """Take one whole line into account."""
        messages = [
            line.text[found.end() :]
            for found in KERNEL_MESSAGE.finditer(line.text)
            if self._believes(found, line.text, t)
        ]
        words = [message for message in messages if KERNEL_WORDS.match(message)]
        self._take_back(line.text)
        self._read_milestones(t, line.text, words)
        for message in words:
            self._read_message(message)
        stage = self._reboot.stage
        if self._unnamed:
            for message in messages:
                self._name_the_last(message)
        if stage in {Stage.SHUTDOWN, Stage.DEVICE_SHUTDOWN}:
            self._read_holder(line.text)
        self._read_signs(t, line, words, stage)

    def _read_milestones(self, t: float, text: str, words: list[str]) -> None:
        for rule in MILESTONES:
            if rule.kernel:
                passed = any(rule.pattern.match(message) for message in words)
                if passed and rule.milestone is Milestone.SYSTEMD:
                    self._userspace_starts(t)
            else:
                passed = self._plausible(rule.milestone) and rule.pattern.search(text) is not None
            if passed:
                self._milestone(rule.milestone, t)

    def _believes(self, found: re.Match[str], text: str, t: float) -> bool:
        time = float(found["time"])
        first = time == _FIRST_TIME and text.startswith("Linux version ", found.end())
        if first and self._plausible(Milestone.KERNEL) and Milestone.KERNEL not in self._reboot.at:
            self.new_boot()
            self._time = KernelTime(t, host_clock=self._host_clock)
        return self._time is None or self._time.believes(time, t)

    def _read_message(self, message: str) -> None:
        self.left_userspace = self.left_userspace or bool(LEFT_USERSPACE.match(message))
        if RESTART.match(message):
            self.restart_announced = True
            self.restarted = self.restarted or Milestone.KERNEL not in self._reboot.at
        if self.ending is not None and PANIC_GOES_ON.match(message):
            self.panic_went_on = True
        if said := KEXEC_LOAD.match(message):
            self.kexec_load_said = said["said"]

    def _read_holder(self, text: str) -> None:
        for pattern in HOLDERS:
            if held := pattern.search(text):
                self.holder = held["who"].strip()

    def _take_back(self, text: str) -> None:
        if self.ending is None or self._sealed:
            return
        refuted_by = self.ending.rule.refuted_by
        if refuted_by is not None and refuted_by.search(text):
            self.ending = None

    # ---- signs of trouble ---------------------------------------------------------------------------------

    def _read_signs(self, t: float, line: Line, words: list[str], stage: Stage) -> None:
        if self.ending is None and (rule := _first(ENDINGS, words, PLAIN_ENDINGS[stage], line.text)):
            self.ending, self.panic_went_on = self._sign(rule, t, line), False
        if len(self.symptoms) >= MAX_SYMPTOMS:
            return
        if rule := _first(SYMPTOMS, words, PLAIN_SYMPTOMS[stage], line.text):
            self.symptoms.append(self._sign(rule, t, line))
            self._unnamed = NAMED_WITHIN_LINES

    def _sign(self, rule: TextRule, t: float, line: Line) -> Sign:
        at = self._reboot.at
        old = Milestone.TRIGGER in at and Milestone.KERNEL not in at and Milestone.SYSTEMD not in at
        message = KERNEL_MESSAGE.split(line.text)[-1]
        return Sign(rule, line, t, self._reboot.stage, old, f"{rule.name}: {_NUMBERS.sub('#', message).strip()}")

    def _name_the_last(self, message: str) -> None:
        self._unnamed -= 1
        if found := _PLACE.search(message):
            last = self.symptoms[-1]
            self.symptoms[-1] = Sign(
                last.rule, last.line, last.t, last.stage, last.of_old_kernel, f"{last.signature} in {found['place']}"
            )
            self._unnamed = 0

    # ---- milestones ---------------------------------------------------------------------------------------

    def _plausible(self, milestone: Milestone) -> bool:
        """Text only counts where it can be: what follows the hand-off cannot be printed before it."""
        at = self._reboot.at
        if milestone is Milestone.SHUTDOWN_DONE:
            return Milestone.HANDOFF not in at
        if milestone in {Milestone.FIRMWARE, Milestone.LOADER}:
            return bool(self._reboot.resets) and Milestone.KERNEL not in at
        if milestone in {Milestone.KERNEL, Milestone.INIT, Milestone.SYSTEMD}:
            starts = self._soft and milestone is Milestone.SYSTEMD
            return starts or Milestone.HANDOFF in at or Milestone.TRIGGER not in at
        return True

    def _userspace_starts(self, t: float) -> None:
        """The kernel that ran goes on, as far as is seen: it has printed no jump, and no other one a first line."""
        at = self._reboot.at
        if (
            self.userspace_at is None
            and Milestone.TRIGGER in at
            and not at.keys() & {Milestone.HANDOFF, Milestone.KERNEL}
        ):
            self.userspace_at = t

    def _milestone(self, milestone: Milestone, t: float) -> None:
        if not self._plausible(milestone):
            return
        if milestone is Milestone.HANDOFF and self.jumped_at is None:
            self.jumped_at = t
        if milestone is Milestone.SYSTEMD:
            # systemd may run in the initramfs first; the second one to start is the real root's.
            if Milestone.READY not in self._reboot.at and self._systemd_starts < 2:
                self._systemd_starts += 1
                self._reboot.reach_again(milestone, t)
            return
        self._reboot.reach(milestone, t)


def _first(rules: tuple[TextRule, ...], messages: list[str], plain: tuple[TextRule, ...], text: str) -> TextRule | None:
    """The first rule that a kernel message of the line matches, else the first that the whole line does."""
    if messages:
        for rule in rules:
            if rule.kernel and any(rule.pattern.match(message) for message in messages):
                return rule
    return next((rule for rule in plain if rule.pattern.search(text)), None)
