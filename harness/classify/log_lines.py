"""A log's bytes to the lines that the console had: without what a collector put before them, with the kernel's times.

Collectors stamp each line with a time, a host's name, a stream; conserver and ipmitool add lines of their own. A kernel
with `printk.time=0`, or `dmesg -T`, has no times of its own; they are made up, since everything after this room tells
the kernel's lines by them. A line's place stays the file's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice

from msgspec import structs

from harness.classify.lines import Line, LineAssembler
from harness.classify.rules import KERNEL_MESSAGE, KERNEL_WORDS, PANIC_GOES_ON

#: lines that are looked at together for what stands before all of them
SAMPLE = 500
#: share of them that must begin with a stamp for it to be taken off, and with a name; parts that one prefix may have
STAMPED_SHARE, NAMED_SHARE, MAX_PARTS = 0.6, 0.9, 4
#: fewer lines with one name before them prove nothing
FEWEST_NAMED = 3
#: seconds that a made-up time goes on with each line, and where it begins in a log that begins in the middle
STEP_S, MIDDLE_S = 0.001, 1000.0

_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_CTIME = re.compile(r"^\[(?P<when>[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})\] ")
#: what stands before a line is a collector's, whichever line it is: a date and time, or a level as syslog has it
_ALWAYS = re.compile(
    rf"^(?:\[?\d{{4}}-\d\d-\d\d[T ]{_CLOCK}(?: ?(?:Z|[+-]\d\d:?\d\d|UTC))?\]?:? ?"
    r"|\[?[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?: [A-Z]{3,4})? \d{4}\]?:? ?|<\d{1,3}>)"
)
#: what is a collector's if most lines have it
_STAMPS = (
    _ALWAYS,
    re.compile(rf"^[A-Z][a-z]{{2}} [ \d]\d {_CLOCK}:? ?"),
    re.compile(rf"^(?:\[{_CLOCK}\]|{_CLOCK}):? ?"),
    re.compile(r"^\d{10}(?:\.\d+)?:? "),
    re.compile(r"^std(?:out|err) [FP] ?"),
)
_NAME = re.compile(r"^(?:[\w.@/-]{1,64}: |[\w.@/-]{1,64} +\| |\[[A-Za-z][\w.@/-]{0,63}\] )")
#: first words of a kernel's messages
_NO_NAMES = frozenset({"kernel: ", "BUG: ", "Oops: ", "WARNING: ", "INFO: ", "watchdog: ", "rcu: ", "reboot: ", "PM: "})
#: lines of conserver's and of ipmitool's own
_NOTICE = re.compile(r"^\[(?:-- .{1,120}|SOL Session .{1,80})\]$")
_STARTS = re.compile(r"Linux version \d")
_DAEMON = re.compile(r"systemd(?:-[a-z]+)?\[\d+\]: ")


class LogLines:
    """The lines of a log, once. `pieces`: its bytes, in pieces of any size."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        #: times had to be made up so far
        self.untimed = False
        self._source = _assembled(pieces)
        #: the kernel's lines have its times; if not, whether they have a date instead
        self._timed = self._by_date = False
        self._seconds = MIDDLE_S
        #: date of the running kernel's first line, or of `MIDDLE_S` before the log's first, as seconds since 1970
        self._began: float | None = None
        #: the panic whose lines have no times goes on
        self._panicking = False

    def __iter__(self) -> Iterator[Line]:
        before: Line | None = None
        for line in self._clean():
            if before is not None:
                yield self._with_time(before, line)
            before = line
        if before is not None:
            yield self._with_time(before, None)

    def _clean(self) -> Iterator[Line]:
        while chunk := list(islice(self._source, SAMPLE)):
            parts = _prefix([line.text for line in chunk])
            for part in parts:
                chunk = [bare for line in chunk if (bare := _without(part, line)).text.strip() or bare is line]
            self._look_at([line.text for line in chunk])
            for line in chunk:
                kept = line if self._by_date and _CTIME.match(line.text) else _without(_ALWAYS, line)
                # A prefix that stands alone was before an empty line.
                if (kept.text.strip() or kept.text == line.text) and not _NOTICE.match(kept.text):
                    yield kept

    def _look_at(self, texts: list[str]) -> None:
        """Whether the kernel prints its times, or a date instead."""
        if self._timed:
            return
        messages = sum(1 for text in texts if KERNEL_MESSAGE.search(text))
        bare = sum(1 for text in texts if _of_a_kernel(text))
        dates = ((text, found) for text in texts if (found := _CTIME.match(text)))
        dated = sum(1 for text, found in dates if _of_a_kernel(text[found.end() :]))
        self._timed = 0 < messages >= bare + dated
        self._by_date = not self._timed and dated > bare

    def _with_time(self, line: Line, following: Line | None) -> Line:
        """The line with a made-up time if it is a kernel's that has none."""
        text = line.text
        if self._timed and (found := KERNEL_MESSAGE.match(text)):
            self._seconds, self._panicking = float(found["time"]), False
            return line
        if date := _CTIME.match(text):
            self._to_date(date["when"], started=_STARTS.match(text, date.end()) is not None)
            return self._made_up(line, text[date.end() :])
        self._seconds += 0.0 if self._timed else STEP_S
        self._panicking = _panics(text, following.text if following else "", before=self._panicking)
        if self._panicking or (not (self._timed or self._by_date) and _of_a_kernel(text)):
            self._seconds = 0.0 if _STARTS.match(text) else self._seconds
            return self._made_up(line, text)
        if not self._timed and (found := KERNEL_MESSAGE.search(text)):
            # A clock of its own among times that are made up.
            self._seconds = 0.0 if _STARTS.match(text, found.end()) else self._seconds
            return structs.replace(line, text=KERNEL_MESSAGE.sub(self._stamp(), text))
        return line

    def _to_date(self, when: str, *, started: bool) -> None:
        try:
            now = datetime.strptime(when, "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC).timestamp()
        except ValueError:
            return
        if started:
            self._began, self._seconds = now, 0.0
        elif self._began is None:
            self._began = now - MIDDLE_S
        # The kernel's own clock never goes back.
        self._seconds = max(self._seconds, now - self._began)

    def _made_up(self, line: Line, message: str) -> Line:
        self.untimed = True
        return structs.replace(line, text=self._stamp() + message)

    def _stamp(self) -> str:
        return f"[{self._seconds:12.6f}] "


def _assembled(pieces: Iterable[bytes]) -> Iterator[Line]:
    assembler = LineAssembler()
    for piece in pieces:
        yield from assembler.feed(piece.decode("latin-1"))
    yield from assembler.finish()


def _without(part: re.Pattern[str], line: Line) -> Line:
    found = part.match(line.text)
    return structs.replace(line, text=line.text[found.end() :]) if found else line


def _prefix(texts: list[str]) -> list[re.Pattern[str]]:
    """What stands before most of these lines, part by part."""
    parts: list[re.Pattern[str]] = []
    texts = [text for text in texts if text.strip() and not _NOTICE.match(text)]
    while texts and len(parts) < MAX_PARTS and (part := _part(texts)) is not None:
        parts.append(part)
        texts = [part.sub("", text, count=1) for text in texts]
    return parts


def _part(texts: list[str]) -> re.Pattern[str] | None:
    dated = sum(1 for text in texts if _CTIME.match(text))
    for stamp in _STAMPS:
        # Where only the kernel's lines have a date, it is the kernel's: `dmesg -T`.
        if stamp is _ALWAYS and dated and dated < NAMED_SHARE * len(texts):
            continue
        if sum(1 for text in texts if stamp.match(text)) >= STAMPED_SHARE * len(texts):
            return stamp
    names = Counter(found.group() for text in texts if (found := _NAME.match(text)))
    for name, count in names.most_common(1):
        if count >= max(FEWEST_NAMED, NAMED_SHARE * len(texts)) and name not in _NO_NAMES:
            return re.compile("^" + re.escape(name))
    return None


def _panics(text: str, following: str, *, before: bool) -> bool:
    """Whether a line without a time is a panic that goes on as panics do, or that goes on from the one `before`."""
    begins = text.startswith("Kernel panic - not syncing") and PANIC_GOES_ON.match(following) is not None
    return begins or (before and PANIC_GOES_ON.match(text) is not None)


def _of_a_kernel(text: str) -> bool:
    return KERNEL_WORDS.match(text) is not None or _DAEMON.match(text) is not None
