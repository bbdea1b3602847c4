"""Where a log shows that its machine was reset, and where a shutdown begins: told by text alone.

Anybody may print an old log, or a word of some firmware. What follows tells: after a reset a kernel starts and goes on
step by step, after an old log the running system goes on. Each line is looked at once and each stretch ahead of it a
few times at most, whatever the log holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from harness.classify.lines import Line
from harness.classify.rules import FIRMWARE_TEXT, KERNEL_MESSAGE, LOADER_TEXT, RUNS

#: lines to look ahead for what tells a boot from an old log that somebody prints
LOOK_AHEAD = 5000
#: lines passed that are forgotten together
FORGET_AFTER = 500

#: messages of a kernel's first moments, and a silence between two of them that none of them makes (seconds)
MANY_MESSAGES, LEAP_S = 20, 2.0

_SHUTDOWN_STARTS = re.compile(
    r"systemd-shutdown\[1\]: |Reached target .{0,200}(?:[Rr]eboot|[Ss]hutdown|kexec)"
    r"|\[  OK  \] Stopped target .{0,200}(?:[Mm]ulti-[Uu]ser|[Gg]raphical)"
    r"|reboot: Restarting system|Starting new kernel"
    # sysvinit's and busybox' init
    r"|^INIT: Switching to runlevel: 6|^The system is going down NOW!|^Requesting system reboot"
)
_BANNER = re.compile(r"\[ *0\.0{6}\](?:\[ *[TC]\d+\])? Linux version \d")
#: what only a boot prints between a kernel's messages
BOOT_TEXT = re.compile(r"^(?:Begin: |\[  OK  \] |\[FAILED\] |ALERT! |Gave up waiting|.{0,40} login: |Welcome to )")
#: of those, what a system that goes down prints too
_STOPS = re.compile(
    r"^\[  OK  \] (?:Stopped|Removed|Unmounted|Closed|Deactivated|Unset|Reached target .{0,60}[Uu]mount)"
)
_PANIC = re.compile(r"Kernel panic - not syncing|---\[ end Kernel panic")

#: what may stand between the jump into a new kernel and its first line: purgatory, the decompressors of x86
#: (boot/compressed/misc.c, kaslr.c, lib/decompress_*.c), arm and s390, the last words of a userspace, and the first of
#: one whose kernel is quiet
BETWEEN_KERNELS = re.compile(
    r"^\W*(?:(?:Decompressing|Uncompressing|Booting) Linux|Parsing ELF|Performing relocations|No relocation needed"
    r"|[Bb]ooting the kernel|done, booting the kernel|early console in |(?:in|out)put(?:_data|_len)?: ?0x"
    r"|(?:kernel_total_size|needed_size|trampoline_32bit|Kernel command line|Command line): ?"
    r"|booted via |(?:Physical|Virtual|Memory)? ?KASLR|Wrong EFI loader|Bye!|I'm in purgatory|purgatory: "
    r"|sha256 digests? |Skipping backup|(?:XZ|ZSTD|LZMA|LZO|LZ4|BZIP2|GZIP)-compressed"
    r"|(?:invalid|corrupt)\w* compressed|System halted|Kernel is not a valid ELF|Out of memory|Failed to allocate"
    r"|(?:un|de)compression error|(?:crc|length) error|Probing EDD|Kernel alive|Malformed early option"
    r"|Linux version \d|Loading, please wait|Starting (?:version|systemd-udevd)|Begin: |Welcome to |/dev/\S+: clean)"
    r"|^\[.{6,8}\] |^ {9}[A-Z][a-z]+ing |^Broadcast message|^The system (?:will|is)"
)
_WORD = re.compile(r"[A-Za-z]{4}")


class Seen(Struct, frozen=True):
    """A line and what it may be."""

    line: Line
    #: time of its first kernel message, None without one
    time: float | None
    #: the latest time of its kernel messages
    latest: float
    #: a kernel's first line
    banner: bool
    #: of firmware or a boot loader
    firmware: bool
    #: only a system that runs prints it
    runs: bool
    #: only a boot prints it
    boot_text: bool
    shutdown_starts: bool
    panics: bool

    @property
    def known(self) -> bool:
        """Whether it says anything of a machine."""
        return self.time is not None or self.firmware or self.runs or self.boot_text or self.shutdown_starts

    @property
    def foreign(self) -> bool:
        """Whether no kernel, no decompressor and no program on its way out prints it."""
        text = self.line.text
        return self.time is None and not self.runs and bool(_WORD.search(text)) and not BETWEEN_KERNELS.search(text)


def look_at(line: Line) -> Seen:
    """What the line may be, by itself."""
    text = line.text
    messages = list(KERNEL_MESSAGE.finditer(text))
    return Seen(
        line=line,
        time=float(messages[0]["time"]) if messages else None,
        latest=max((float(found["time"]) for found in messages), default=0.0),
        banner=_BANNER.search(text) is not None,
        firmware=FIRMWARE_TEXT.search(text) is not None or LOADER_TEXT.search(text) is not None,
        runs=RUNS.search(text) is not None,
        boot_text=BOOT_TEXT.search(text) is not None,
        shutdown_starts=_SHUTDOWN_STARTS.search(text) is not None,
        panics=bool(messages) and _PANIC.match(text, messages[0].end()) is not None,
    )


class Ahead:
    """The lines of a log, one after another, and those that follow the current one."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._source = iter(lines)
        #: the current line and what was read of those after it; `_first` is the first one's number
        self._kept: list[Seen] = []
        self._first = 0
        self._at = -1
        #: for this time of the running kernel nothing between the current line and `_clear_to` decides
        self._clear_for, self._clear_to = 0.0, 0
        #: what was last found of a kernel's first line, and for which `latest` and `up`
        self._found: tuple[int, float, bool, bool] | None = None

    def advance(self) -> Seen | None:
        """The next line, None at the end."""
        self._at += 1
        if self._at - self._first > FORGET_AFTER:
            del self._kept[: self._at - self._first]
            self._first = self._at
        return self._line(self._at)

    def a_boot_follows(self, latest: float, *, up: bool) -> bool:
        """Whether after the words of a firmware a kernel starts, or at least the old one does not go on.

        `latest`: the running kernel's time in seconds. `up`: a system has come up, and somebody may have logged in.
        """
        number = max(self._at + 1, self._clear_to if latest == self._clear_for else 0)
        answer = True
        while number <= self._at + LOOK_AHEAD and (seen := self._line(number)) is not None:
            if seen.banner:
                answer = self._starts_a_boot(number, latest, up=up)
                break
            if seen.runs or (seen.time is not None and seen.time >= latest):
                answer = False
                break
            number += 1
        self._clear_for, self._clear_to = latest, number
        return answer

    def starts_a_boot(self, latest: float, *, up: bool) -> bool:
        """Whether what follows the current line, a kernel's first, is a boot and not an old log that is printed.

        `latest` and `up`: as for `a_boot_follows`.
        """
        return self._starts_a_boot(self._at, latest, up=up)

    def _starts_a_boot(self, banner: int, latest: float, *, up: bool) -> bool:
        if self._found is None or self._found[:3] != (banner, latest, up):
            self._found = (banner, latest, up, self._goes_on_as_a_boot(banner, latest, up=up))
        return self._found[3]

    def _goes_on_as_a_boot(self, banner: int, latest: float, *, up: bool) -> bool:
        panicked = False
        messages, previous = 0, 0.0
        number = banner + 1
        while number < banner + LOOK_AHEAD and (seen := self._line(number)) is not None and not seen.banner:
            number += 1
            if seen.time is None:
                if up and (seen.shutdown_starts or (seen.runs and not seen.boot_text) or _STOPS.match(seen.line.text)):
                    return False
                if seen.boot_text:
                    return True
                continue
            if seen.time >= latest:
                # A boot comes to that time step by step; after an old log the running kernel goes on with a leap. The
                # running kernel's own log comes to it in steps as well.
                in_steps = messages >= MANY_MESSAGES and seen.time - previous < LEAP_S
                if not (up and in_steps):
                    return in_steps
            messages, previous = messages + 1, seen.time
            panicked = panicked or seen.panics
        return panicked

    def _line(self, number: int) -> Seen | None:
        while number - self._first >= len(self._kept):
            following = next(self._source, None)
            if following is None:
                return None
            self._kept.append(look_at(following))
        return self._kept[number - self._first]
