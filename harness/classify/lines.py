"""Console bytes to lines of clean text, whatever pieces the bytes come in, each with its place in the console.

The console is untrusted: lines are bounded, terminal escapes and control characters are taken out. A carriage return
ends a line as a newline does: a terminal starts over there, and serial lines come with one, two or none.
"""

from __future__ import annotations

import codecs
import re

from msgspec import Struct

MAX_LINE = 4096

# Control sequences (ECMA-48): CSI with its parameters, OSC up to BEL or ST, other two-character escapes; then
# every control character left over.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-Z\\^-~]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_BREAK = re.compile(r"[\r\n]")
_AS_BYTES = "kexec-harness-as-bytes"


def _bad_bytes(error: UnicodeError) -> tuple[str, int]:
    """What is no UTF-8 stays a character a byte, and the rest of the line is read as UTF-8 all the same."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(_AS_BYTES, _bad_bytes)


def _decoded(line: str) -> str:
    """The characters of a line that came a character a byte."""
    if line.isascii():
        return line
    try:
        return line.encode("latin-1").decode("utf-8", _AS_BYTES)
    except UnicodeEncodeError:
        return line


def clean(line: str) -> str:
    """The line as a person would have seen it."""
    return _ESCAPES.sub("", line)


class Line(Struct, frozen=True):
    """A line, and where it stands: bytes from the console's start, and newlines passed before it, counted from 1."""

    text: str
    offset: int = 0
    #: bytes that it takes without its end
    length: int = 0
    number: int = 1


class LineAssembler:
    """Collects pieces of text, a character a byte, and gives complete lines, read as UTF-8; empty ones are left out.

    >>> lines = LineAssembler()
    >>> [line.text for line in lines.feed("one\\r\\ntw")], [line.text for line in lines.feed("o\\n")]
    (['one'], ['two'])
    """

    def __init__(self, offset: int = 0, newlines: int = 0) -> None:
        """`offset` and `newlines`: bytes and newlines of the console that came before the first piece."""
        self._rest = ""
        #: bytes of the unfinished line, of which `_rest` keeps at most `MAX_LINE`
        self._length = 0
        self._offset = offset
        self._number = newlines + 1

    def feed(self, text: str) -> list[Line]:
        """The lines completed by `text`, cleaned. What exceeds `MAX_LINE` characters of a line is dropped."""
        lines = []
        start = 0
        for end in _BREAK.finditer(text):
            self._extend(text, start, end.start())
            if self._length:
                lines.append(self._take())
            self._offset += 1
            self._number += end.group() == "\n"
            start = end.end()
        self._extend(text, start, len(text))
        return lines

    def peek(self) -> Line | None:
        """The unfinished line as it stands, such as a prompt; it stays unfinished."""
        return self._line() if self._length else None

    def finish(self) -> list[Line]:
        """The last line, if the text did not end with a newline."""
        return [self._take()] if self._length else []

    def _extend(self, text: str, start: int, end: int) -> None:
        room = MAX_LINE - len(self._rest)
        if room > 0:
            self._rest += text[start : min(end, start + room)]
        self._length += end - start

    def _line(self) -> Line:
        return Line(clean(_decoded(self._rest)), self._offset, self._length, self._number)

    def _take(self) -> Line:
        line = self._line()
        self._offset += self._length
        self._rest, self._length = "", 0
        return line
