"""A reboot as a log shows it, read line by line and judged."""

from __future__ import annotations

import re

from msgspec import structs

from harness.classify.case import Case
from harness.classify.lines import Line
from harness.classify.log_resets import Seen
from harness.classify.machine_questions import MACHINE_QUESTIONS, stage_of_reset
from harness.classify.milestones import Progress
from harness.classify.questions import TEXT_QUESTIONS, new_symptom, wrong_path
from harness.classify.rules import COMES_UP, PANIC_GOES_ON
from harness.model import (
    Blame,
    BootPath,
    Confidence,
    EndReason,
    Evidence,
    Expectation,
    FailureClass,
    Firmware,
    Loader,
    Milestone,
    Outcome,
    QmpEvent,
    Span,
    Stage,
    Verdict,
)

#: failed units that are remembered until they start after all, and how many are named
MAX_UNITS, NAMED_UNITS = 100, 20

_FAILED_UNIT = re.compile(r"^\[FAILED\] Failed to (?:start|mount) (?P<unit>.+?)\.?$")
_STARTED_UNIT = re.compile(r"^\[  OK  \] (?:Started|Finished|Mounted) (?P<unit>.+?)\.?$")
#: what systemd puts where it leaves out the middle of a unit's name
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
#: systemd's word, before it starts userspace anew under the same kernel
_SOFT = re.compile(r"Reached target .{0,200}(?:soft-reboot|Reboot System Userspace)")
#: what kexec-load says where it was asked for a reboot through firmware
_ASKED_TO_SKIP = "standing aside: asked to skip"


class LogReboot:
    """A reboot as a log shows it: from the first sign of a shutdown, or the log's start, to the next one."""

    def __init__(self, *, shut_down_at: float | None = None) -> None:
        self.progress = Progress(None, host_clock=False)
        #: since the last reset, something was printed that only a program prints
        self.has_programs = False
        #: since the last reset, nothing was heard of a kernel or its programs
        self.firmware_speaks = False
        self._failed_units: dict[str, Line] = {}
        self._last_line: Line | None = None
        #: anything was seen that says something of a machine
        self._known = False
        #: firmware spoke before anything else was seen
        self._firmware_first = False
        #: the first word after a reset that nobody had announced, and whether it was a firmware's
        self._reset_by: Seen | None = None
        #: a kernel has started after a reset
        self._booted_again = False
        #: what stands between the jump and the new kernel, and is none of theirs
        self._foreign: Line | None = None
        #: systemd has said that userspace alone is to start anew
        self._soft_announced = False
        #: the latest time of the kernel that runs, and whether systemd was seen to start anew later than that
        self._latest = 0.0
        self._userspace_anew = False
        if shut_down_at is not None:
            self.progress.reach(Milestone.TRIGGER, shut_down_at)

    @property
    def came_up(self) -> bool:
        """Whether a system came up."""
        return self.progress.ready is not None

    @property
    def under_way(self) -> bool:
        """Whether a new kernel was seen; if not, a boot that starts now belongs to this reboot."""
        return Milestone.KERNEL in self.progress.at

    @property
    def restarting(self) -> bool:
        """Whether the old kernel has restarted the machine, and nothing was heard since."""
        return self.progress.console.restarted and not self.progress.resets and not self.under_way

    @property
    def path(self) -> BootPath:
        """The path as far as the text shows it."""
        if self.progress.resets or self.progress.console.restarted:
            return BootPath.FIRMWARE
        if self.progress.jumped_at is not None:
            return BootPath.CONFLICT if self._foreign is not None else BootPath.KEXEC
        if self._soft:
            return BootPath.SOFT
        return BootPath.FIRMWARE if self._firmware_first else BootPath.NONE

    def reset(self, t: float, seen: Seen) -> None:
        """The machine was reset; the line is the first after it."""
        self._reset_by = self._reset_by or seen
        self.has_programs, self.firmware_speaks = False, True
        self.progress.feed(QmpEvent(t, "RESET"))

    def read(self, t: float, seen: Seen) -> None:
        """Take a line into account."""
        line, console = seen.line, self.progress.console
        self._known = self._known or seen.known
        if seen.time is not None or seen.runs or seen.boot_text:
            self.firmware_speaks = False
        if seen.banner and not self.under_way:
            self.has_programs = False
        self._booted_again = self._booted_again or (seen.banner and bool(self.progress.resets))
        self.has_programs = self.has_programs or seen.runs or seen.boot_text
        self._firmware_first = self._firmware_first or (seen.firmware and not self.progress.at)
        if seen.foreign and self._jumping and not self.has_programs:
            self._foreign = self._foreign or line
        announced, started = console.ending, console.userspace_at
        console.read(t, line)
        if started is None and console.userspace_at is not None:
            self._userspace_anew = 0.0 < self._latest <= (seen.time or 0.0)
        self._latest = max(self._latest, seen.latest)
        if self.progress.jumped_at == t:
            self.has_programs = False
        self._last_line = line
        self._soft_announced = self._soft_announced or _SOFT.search(line.text) is not None
        if self._soft and console.userspace_at is not None:
            self.progress.reach(Milestone.SYSTEMD, console.userspace_at)
        if console.in_doubt and console.ending is announced and self.came_up and seen.time is None:
            self._goes_on(line)
        self._read_units(line)
        if self._boots(seen) and COMES_UP.search(line.text) and not self.came_up:
            self.progress.ready = {"state": "running"}
            self.progress.reach(Milestone.READY, t)

    @property
    def _soft(self) -> bool:
        """Whether userspace alone starts anew: announced or seen, and nothing was seen of another kernel."""
        progress = self.progress
        other = progress.resets or progress.console.restarted or progress.jumped_at is not None or self.under_way
        said = self._soft_announced or self._userspace_anew
        return said and Milestone.TRIGGER in progress.at and not other

    @property
    def _jumping(self) -> bool:
        return self.progress.jumped_at is not None and not self.progress.resets and not self.under_way

    def _boots(self, seen: Seen) -> bool:
        """Whether a system may come up now."""
        if self._soft:
            return True
        if self.progress.stage is Stage.HANDOFF and self.progress.at:
            # A quiet kernel starts without a word. Behind a login prompt the old one may have printed its last.
            return seen.time is None
        return self.progress.stage in {Stage.HANDOFF, Stage.KERNEL, Stage.INITRD, Stage.USERSPACE}

    def _goes_on(self, line: Line) -> None:
        """A panic that was only announced, and a program that prints after it: the panic was an old log's."""
        if re.search(r"\w", line.text) and not PANIC_GOES_ON.match(line.text):
            self.progress.console.answers()

    def _read_units(self, line: Line) -> None:
        if failed := _FAILED_UNIT.search(line.text):
            if len(self._failed_units) < MAX_UNITS:
                self._failed_units.setdefault(failed["unit"], line)
        elif self._failed_units and (started := _STARTED_UNIT.search(line.text)):
            for unit in [unit for unit in self._failed_units if _same_unit(unit, started["unit"])]:
                del self._failed_units[unit]

    # ---- the verdict --------------------------------------------------------------------------------------

    def judge(self, expected: BootPath | None, baseline: frozenset[str] | None) -> Verdict:
        """The verdict; `expected` and `baseline` as for `judge_log`."""
        path = self.path
        evidence = Evidence(
            expectation=_expectation(expected or path),
            events=(),
            ended_by=EndReason.EXIT,
            baseline=baseline or frozenset(),
        )
        case = Case(evidence, self.progress, path, ())
        if not (self._known or self.progress.ending or self.progress.console.symptoms):
            return self._nothing(case)
        for question in (*MACHINE_QUESTIONS, self._reset_unannounced, *TEXT_QUESTIONS):
            if (verdict := question(case)) is not None:
                return self._less_sure(verdict)
        beyond = self._beyond_expectation(case, expected)
        verdict = self._path_in_doubt(case)
        if verdict is None and expected is not None and beyond is None:
            verdict = wrong_path(case)
        verdict = verdict or new_symptom(case, warnings=baseline is not None)
        return verdict or self._degraded(case) or beyond or self._up(path)

    def _less_sure(self, verdict: Verdict) -> Verdict:
        """Silence in a file may only be where its recording ends."""
        if verdict.span is not None and verdict.span.file == "console":
            return self._panic_in_doubt(verdict)
        if not self.progress.at:
            verdict = structs.replace(
                verdict,
                failure_class=FailureClass.NO_READY,
                rule="no-ready",
                reason="the log shows no kernel that boots, and no system that came up",
                blame=None,
                stage=None,
            )
        span = _span(self._last_line) if self._last_line else None
        silent = verdict.rule in {"no-ready", "no-kernel-line", "no-handoff", "no-shutdown-end"}
        confidence = Confidence.LOW if silent else Confidence.MEDIUM
        return structs.replace(verdict, span=span, confidence=confidence)

    def _panic_in_doubt(self, verdict: Verdict) -> Verdict:
        """A panic that was only announced may be text that a program printed."""
        console = self.progress.console
        decides = console.ending is not None and verdict.span == _span(console.ending.line)
        return structs.replace(verdict, confidence=Confidence.LOW) if decides and console.in_doubt else verdict

    def _reset_unannounced(self, case: Case) -> Verdict | None:
        """A system or a boot that was seen, and then firmware or another kernel without a word of a shutdown."""
        progress, by = self.progress, self._reset_by
        if by is None or Milestone.TRIGGER in progress.at:
            return None
        after, announced = progress.reset_after[0]
        if after is None or announced:
            return None
        stage = stage_of_reset(after)
        early = stage in {Stage.HANDOFF, Stage.KERNEL}
        # A console that has none of the kernel's lines need not have its last, and a kernel whose first line comes
        # next may have been executed by one that is too quiet to say so.
        sure = self.under_way and self._booted_again and (early or by.firmware)
        what = "a firmware or a boot loader speaks" if by.firmware else "another kernel starts"
        return case.fail(
            FailureClass.TRIPLE_FAULT if early else FailureClass.UNEXPECTED_RESET,
            "reset-without-a-word" if early else "reset-unannounced",
            f"the machine was reset: {what} after {after.value}, and nothing was said of a shutdown",
            by.line.text,
            stage=stage,
            span=_span(by.line),
            confidence=Confidence.MEDIUM if sure else Confidence.LOW,
        )

    def _path_in_doubt(self, case: Case) -> Verdict | None:
        if self._foreign is None or self.path is not BootPath.CONFLICT:
            return None
        reason = f"between the jump and the new kernel stands what neither of them prints: {self._foreign.text}"
        return case.fail(
            FailureClass.PROOF_CONFLICT,
            "text-after-jump",
            reason,
            self._foreign.text,
            span=_span(self._foreign),
            confidence=Confidence.LOW,
        )

    def _beyond_expectation(self, case: Case, expected: BootPath | None) -> Verdict | None:
        """The verdict on a reboot that cannot be held against the expected path."""
        if expected is None:
            return None
        if case.path is BootPath.NONE:
            reason = f"the log does not show by which path the system came up, and it was to be by {expected.value}"
            return self._invalid(case, "path-not-shown", reason)
        said = self.progress.console.kexec_load_said or ""
        if expected is BootPath.KEXEC and case.path is BootPath.FIRMWARE and said.startswith(_ASKED_TO_SKIP):
            reason = (
                "this reboot was to go through firmware, and did: kexec-load was asked to skip, as for a cold reboot;"
                " judge it with --expect firmware"
            )
            return self._invalid(case, "asked-to-skip", reason, said)
        return None

    def _nothing(self, case: Case) -> Verdict:
        empty = "the log is empty" if self._last_line is None else "the log holds no word of a firmware or a kernel"
        return self._invalid(case, "nothing-to-judge", f"{empty}: there is nothing to judge")

    def _invalid(self, case: Case, rule: str, reason: str, said: str = "") -> Verdict:
        """What says nothing of the machine."""
        verdict = case.invalid(rule, reason, said, blamed=Blame.HARNESS)
        return structs.replace(verdict, stage=Stage.UP if self.came_up else None)

    def _degraded(self, case: Case) -> Verdict | None:
        if not self._failed_units:
            return None
        first = next(iter(self._failed_units.values()))
        names = ", ".join(list(self._failed_units)[:NAMED_UNITS])
        return case.fail(
            FailureClass.DEGRADED,
            "failed-units",
            f"the system came up with failed units: {names}",
            names,
            stage=Stage.USERSPACE,
            span=_span(first),
        )

    def _up(self, path: BootPath) -> Verdict:
        starts = Milestone.SYSTEMD in self.progress.at if path is BootPath.SOFT else self.under_way
        silent = Milestone.TRIGGER in self.progress.at and not starts
        return Verdict(
            outcome=Outcome.PASS,
            failure_class=None,
            path=path,
            rule="came-up",
            reason="the log shows a system that came up and no sign of trouble",
            evidence="",
            last_milestone=self.progress.last,
            stage=Stage.UP,
            confidence=Confidence.LOW if silent else Confidence.MEDIUM,
        )


def _span(line: Line) -> Span:
    return Span("console", line.offset, line.length, line.number)


def _same_unit(failed: str, started: str) -> bool:
    """Whether two names are one unit's; systemd may have left out a part of either."""
    if failed == started:
        return True
    (head, dots, tail), (other_head, other_dots, other_tail) = failed.partition(_ELLIPSIS), started.partition(_ELLIPSIS)
    if not dots and not other_dots:
        return False
    # Without an ellipsis `tail` is empty, and the whole name is its own tail.
    tail, other_tail = tail if dots else head, other_tail if other_dots else other_head
    heads = head.startswith(other_head) or other_head.startswith(head)
    return heads and (tail.endswith(other_tail) or other_tail.endswith(tail))


def _expectation(path: BootPath) -> Expectation:
    return Expectation(
        method="",
        path=path,
        arch="",
        firmware=Firmware.SEABIOS,
        loader=Loader.GRUB,
        nonce="",
        boot_id_before="",
        kernel_before="",
    )
