"""The verdict on somebody's console log: the classifier without a machine, from text alone.

A log may hold many reboots, begin in the middle of one and end in the middle of another. Each is judged; the log's
verdict is that of the first that failed, else that of the last. What the machine did is told by its text: firmware and
boot loader speaking, or a kernel starting at time zero, is a reset; a login prompt is a system that came up.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator

from msgspec import Struct, structs

from harness.classify.case import Case
from harness.classify.lines import Line, LineAssembler
from harness.classify.machine_questions import MACHINE_QUESTIONS
from harness.classify.milestones import Progress
from harness.classify.questions import TEXT_QUESTIONS, new_symptom, wrong_path
from harness.classify.rules import COMES_UP, KERNEL_MESSAGE, MILESTONES, RUNS
from harness.model import (
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

#: lines to look ahead for what tells a boot from an old log that somebody prints
LOOK_AHEAD = 5000

#: messages of a kernel's first moments, and a silence between two of them that none of them makes (seconds)
MANY_MESSAGES, LEAP_S = 20, 2.0

_SHUTDOWN_STARTS = re.compile(
    r"systemd-shutdown\[1\]: |Reached target .*(?:[Rr]eboot|[Ss]hutdown|kexec)"
    r"|\[  OK  \] Stopped target .*(?:[Mm]ulti-[Uu]ser|[Gg]raphical)|reboot: Restarting system|Starting new kernel"
)
_BANNER = re.compile(r"\[ *0\.0{6}\](?:\[ *[TC]\d+\])? Linux version \d")
_FIRMWARE = tuple(
    rule.pattern for rule in MILESTONES if rule.milestone in {Milestone.FIRMWARE, Milestone.LOADER} and not rule.kernel
)
#: what only a boot prints between a kernel's messages
_BOOT_TEXT = re.compile(r"^(?:Begin: |\[  OK  \] |\[FAILED\] |ALERT! |Gave up waiting|.{0,40} login: |Welcome to )")
#: what collectors of serial consoles put before each line: a date and time, in brackets or not, or syslog's level
_COLLECTED = re.compile(
    r"^(?:\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|[+-]\d\d:?\d\d|UTC))?\]?:? ?"
    r"|\[?[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?: [A-Z]{3,4})? \d{4}\]?:? ?|<\d{1,3}>)"
)
_PANIC = re.compile(r"Kernel panic - not syncing|---\[ end Kernel panic")
_FAILED_UNIT = re.compile(r"^\[FAILED\] Failed to (?:start|mount) (?P<unit>.+?)\.?$")


class LogVerdict(Struct, frozen=True):
    """The verdict on a log, and how many reboots it held."""

    verdict: Verdict
    reboots: int


def judge_log(
    pieces: Iterable[bytes], *, expected: BootPath | None = None, baseline: frozenset[str] | None = None
) -> LogVerdict:
    """Judge a console log that comes in pieces of any size; memory stays bounded.

    `expected`: the path that its reboots were to take, None if that is not known. `baseline`: signatures of oopses and
    warnings that are known of this machine; None: warnings do not count.
    """
    reboots = list(_worth_keeping(_reboots(pieces), expected, baseline))
    return LogVerdict(reboots[-1][1], reboots[-1][0])


def log_signatures(pieces: Iterable[bytes]) -> frozenset[str]:
    """The signatures of a log's oopses and warnings, for `judge_log`'s baseline."""
    return frozenset(sign.signature for reboot in _reboots(pieces) for sign in reboot.progress.console.symptoms)


def _worth_keeping(
    reboots: Iterable[_LogReboot], expected: BootPath | None, baseline: frozenset[str] | None
) -> Iterator[tuple[int, Verdict]]:
    """Number and verdict of reboots until one has failed."""
    for number, reboot in enumerate(reboots, 1):
        verdict = reboot.judge(expected, baseline)
        yield number, verdict
        if verdict.outcome is Outcome.FAIL:
            return


class _LogReboot:
    """A reboot as a log shows it: from the first sign of a shutdown, or the log's start, to the next one."""

    def __init__(self, *, shut_down_at: float | None = None) -> None:
        self.progress = Progress(None, host_clock=False)
        self.failed_units: list[str] = []
        self.first_failed: Line | None = None
        self.last_line: Line | None = None
        if shut_down_at is not None:
            self.progress.reach(Milestone.TRIGGER, shut_down_at)

    @property
    def came_up(self) -> bool:
        return self.progress.ready is not None

    @property
    def under_way(self) -> bool:
        """Whether a new kernel was seen; if not, a boot that starts now belongs to this reboot."""
        return Milestone.KERNEL in self.progress.at

    def reset(self, t: float) -> None:
        self.progress.feed(QmpEvent(t, "RESET"))

    def read(self, t: float, line: Line) -> None:
        console = self.progress.console
        console.read(t, line)
        self.last_line = line
        stage = self.progress.stage
        if failed := _FAILED_UNIT.search(line.text):
            self.failed_units.append(failed["unit"])
            self.first_failed = self.first_failed or line
        booted = stage in {Stage.USERSPACE, Stage.INITRD, Stage.KERNEL} or not self.progress.at
        if booted and COMES_UP.search(line.text) and not self.came_up:
            self.progress.ready = {"state": "running"}
            self.progress.reach(Milestone.READY, t)

    def path(self) -> BootPath:
        if self.progress.resets or self.progress.console.restarted:
            return BootPath.FIRMWARE
        return BootPath.KEXEC if self.progress.jumped_at is not None else BootPath.NONE

    def judge(self, expected: BootPath | None, baseline: frozenset[str] | None) -> Verdict:
        path = self.path()
        evidence = Evidence(
            expectation=_expectation(expected or path),
            events=(),
            ended_by=EndReason.EXIT,
            baseline=baseline or frozenset(),
        )
        case = Case(evidence, self.progress, path, ())
        for question in (*MACHINE_QUESTIONS, *TEXT_QUESTIONS):
            if (verdict := question(case)) is not None:
                return self._less_sure(verdict)
        if expected is not None and path is not BootPath.NONE and (verdict := wrong_path(case)) is not None:
            return verdict
        if (verdict := new_symptom(case, warnings=baseline is not None)) is not None:
            return verdict
        return self._failed_units(case) or self._came_up(path)

    def _less_sure(self, verdict: Verdict) -> Verdict:
        """Silence in a file may only be where its recording ends."""
        if verdict.span is not None and verdict.span.file == "console":
            return verdict
        if not self.progress.at:
            verdict = structs.replace(
                verdict,
                failure_class=FailureClass.NO_READY,
                rule="no-ready",
                reason="the log shows no kernel that boots, and no system that came up",
                blame=None,
                stage=None,
            )
        where = self.last_line
        span = Span("console", where.offset, where.length, where.number) if where else None
        silent = verdict.rule in {"no-ready", "no-kernel-line", "no-handoff", "no-shutdown-end"}
        confidence = Confidence.LOW if silent else Confidence.MEDIUM
        return structs.replace(verdict, span=span, confidence=confidence)

    def _failed_units(self, case: Case) -> Verdict | None:
        line = self.first_failed
        if line is None:
            return None
        names = ", ".join(self.failed_units[:20])
        return case.fail(
            FailureClass.DEGRADED,
            "failed-units",
            f"the system came up with failed units: {names}",
            names,
            stage=Stage.USERSPACE,
            span=Span("console", line.offset, line.length, line.number),
        )

    def _came_up(self, path: BootPath) -> Verdict:
        return Verdict(
            outcome=Outcome.PASS,
            failure_class=None,
            path=path,
            rule="came-up",
            reason="the log shows a system that came up and no sign of trouble",
            evidence="",
            last_milestone=self.progress.last,
            stage=Stage.UP,
            confidence=Confidence.MEDIUM,
        )


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


def _lines(pieces: Iterable[bytes]) -> Iterator[Line]:
    assembler = LineAssembler()
    for piece in pieces:
        yield from map(_uncollected, assembler.feed(piece.decode("latin-1")))
    yield from map(_uncollected, assembler.finish())


def _uncollected(line: Line) -> Line:
    """The line as the console had it; its place stays the file's."""
    found = _COLLECTED.match(line.text)
    return structs.replace(line, text=line.text[found.end() :]) if found else line


def _reboots(pieces: Iterable[bytes]) -> Iterator[_LogReboot]:
    """The reboots of a log, each when it is over; at least one, however little the log holds."""
    reboot = _LogReboot()
    latest = 0.0
    ahead: deque[Line] = deque()
    source = _lines(pieces)
    t = 0.0
    while True:
        while len(ahead) < LOOK_AHEAD and (more := next(source, None)) is not None:
            ahead.append(more)
        if not ahead:
            break
        line = ahead.popleft()
        t += 1.0
        if _SHUTDOWN_STARTS.search(line.text):
            if reboot.came_up or Milestone.SYSTEMD in reboot.progress.at:
                yield reboot
                reboot = _LogReboot(shut_down_at=t)
            elif not reboot.progress.at:
                # The log begins while a system is up, or on its way down.
                reboot = _LogReboot(shut_down_at=t)
        if _is_reset(line, reboot, ahead, latest):
            reboot.reset(t)
            latest = 0.0
        for found in KERNEL_MESSAGE.finditer(line.text):
            latest = max(latest, float(found["time"]))
        if _BANNER.search(line.text) and not reboot.under_way:
            latest = 0.0
        reboot.read(t, line)
    yield reboot


def _is_reset(line: Line, reboot: _LogReboot, ahead: Iterable[Line], latest: float) -> bool:
    """Whether this line is the first word of a machine that was reset."""
    progress = reboot.progress
    between = progress.resets and Milestone.KERNEL not in progress.at
    if any(pattern.search(line.text) for pattern in _FIRMWARE):
        speaking = progress.resets and progress.last in {Milestone.FIRMWARE, Milestone.LOADER, Milestone.HANDOFF}
        possible = bool(progress.at) and not between and not speaking and not reboot.came_up
        return possible and _a_boot_follows(ahead, latest)
    if not _BANNER.search(line.text):
        return False
    if not reboot.under_way:
        # A kernel that starts after a shutdown without a jump and without a word of any firmware.
        return Milestone.TRIGGER in progress.at and progress.jumped_at is None and not progress.resets
    return _starts_a_boot(ahead, latest)


def _a_boot_follows(ahead: Iterable[Line], latest: float) -> bool:
    """Whether after the words of a firmware a kernel starts, or at least the old one does not go on."""
    lines = iter(ahead)
    for line in lines:
        if _BANNER.search(line.text):
            return _starts_a_boot(lines, latest)
        found = KERNEL_MESSAGE.search(line.text)
        if RUNS.search(line.text) or (found is not None and float(found["time"]) >= latest):
            return False
    return True


def _starts_a_boot(ahead: Iterable[Line], latest: float) -> bool:
    """Whether what follows a kernel's first line is a boot, and not an old log that somebody prints."""
    panicked = False
    messages, previous = 0, 0.0
    for line in ahead:
        found = KERNEL_MESSAGE.search(line.text)
        if found is None:
            if _BOOT_TEXT.search(line.text):
                return True
            continue
        if _BANNER.search(line.text):
            break
        time = float(found["time"])
        if time >= latest:
            # A boot comes to that time step by step; after an old log the running kernel goes on with a leap.
            return messages >= MANY_MESSAGES and time - previous < LEAP_S
        messages, previous = messages + 1, time
        panicked = panicked or _PANIC.match(line.text, found.end()) is not None
    return panicked
