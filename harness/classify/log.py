"""The verdict on somebody's console log: the classifier without a machine, from text alone.

A log may hold many reboots, begin in the middle of one and end in the middle of another. Each is judged; the log's
verdict is that of the first that failed, else that of the last. What the machine did is told by its text: firmware and
boot loader speaking, or a kernel starting at time zero, is a reset; a login prompt is a system that came up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct, structs

from harness.classify.log_lines import LogLines
from harness.classify.log_reboot import LogReboot
from harness.classify.log_resets import Ahead, Seen
from harness.model import BootPath, Confidence, Milestone, Outcome, Verdict


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
    lines = LogLines(pieces)
    number, verdict = 0, None
    for number, (reboot, last) in enumerate(_with_last(_reboots(lines)), 1):  # noqa: B007
        # A log may begin with the boot before the reboots that it is about.
        first_boot = Milestone.TRIGGER not in reboot.progress.at
        verdict = reboot.judge(None if first_boot and not last else expected, baseline)
        if verdict.outcome is Outcome.FAIL:
            break
    assert verdict is not None
    return LogVerdict(_without_times(verdict) if lines.untimed else verdict, number)


def log_signatures(pieces: Iterable[bytes]) -> frozenset[str]:
    """The signatures of a log's oopses and warnings, for `judge_log`'s baseline."""
    reboots = _reboots(LogLines(pieces))
    return frozenset(sign.signature for reboot in reboots for sign in reboot.progress.console.symptoms)


def _without_times(verdict: Verdict) -> Verdict:
    """A verdict on a log whose kernel prints no times: an old log that is printed looks the same."""
    confidence = Confidence.MEDIUM if verdict.confidence is Confidence.HIGH else Confidence.LOW
    reason = f"{verdict.reason}; the kernel's lines carry no times, so this is less sure"
    return structs.replace(verdict, reason=reason, confidence=confidence)


def _with_last(reboots: Iterable[LogReboot]) -> Iterator[tuple[LogReboot, bool]]:
    """Each reboot, and whether it is the last."""
    before: LogReboot | None = None
    for reboot in reboots:
        if before is not None:
            yield before, False
        before = reboot
    if before is not None:
        yield before, True


def _reboots(lines: LogLines) -> Iterator[LogReboot]:
    """The reboots of a log, each when it is over; at least one, however little the log holds."""
    reboot = LogReboot()
    latest = 0.0
    ahead = Ahead(lines)
    t = 0.0
    while (seen := ahead.advance()) is not None:
        t += 1.0
        if seen.shutdown_starts:
            if reboot.came_up or Milestone.SYSTEMD in reboot.progress.at:
                yield reboot
                reboot = LogReboot(shut_down_at=t)
            elif not reboot.progress.at:
                # The log begins while a system is up, or on its way down.
                reboot = LogReboot(shut_down_at=t)
        if _is_reset(seen, reboot, ahead, latest):
            reboot.reset(t, seen)
            latest = 0.0
        latest = max(latest, seen.latest)
        if seen.banner and not reboot.under_way:
            latest = 0.0
        reboot.read(t, seen)
    yield reboot


def _is_reset(seen: Seen, reboot: LogReboot, ahead: Ahead, latest: float) -> bool:
    """Whether this line is the first word of a machine that was reset."""
    if reboot.progress.looping:
        # Nothing after that changes it.
        return False
    if seen.banner:
        return _kernel_starts_over(reboot, ahead, latest)
    if seen.time is not None or not (seen.firmware or seen.foreign):
        return False
    if reboot.restarting:
        # Whether or not anybody has listed this firmware's words.
        return True
    return seen.firmware and _firmware_starts_over(reboot, ahead, latest)


def _firmware_starts_over(reboot: LogReboot, ahead: Ahead, latest: float) -> bool:
    progress = reboot.progress
    between = progress.resets and not reboot.under_way
    possible = bool(progress.at) and not between and not reboot.firmware_speaks
    return possible and ahead.a_boot_follows(latest, up=reboot.came_up)


def _kernel_starts_over(reboot: LogReboot, ahead: Ahead, latest: float) -> bool:
    progress = reboot.progress
    if reboot.under_way:
        # Before its first program no kernel lets anybody print an old log.
        return (latest > 0 and not reboot.has_programs) or ahead.starts_a_boot(latest, up=reboot.came_up)
    if Milestone.TRIGGER in progress.at:
        # A kernel that starts after a shutdown without a jump and without a word of any firmware.
        return progress.jumped_at is None and not progress.resets
    return reboot.came_up and not progress.resets and ahead.starts_a_boot(latest, up=True)
