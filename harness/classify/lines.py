"""Console bytes to lines of clean text, whatever pieces the bytes come in.

The console is untrusted: lines are bounded, terminal escapes and control characters are taken out.
"""

from __future__ import annotations

import re

MAX_LINE = 4096

# Control sequences (ECMA-48): CSI with its parameters, OSC up to BEL or ST, other two-character escapes; then
# every control character left over.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)"
    r"|\x1b[ -/]*[0-Z\\^-~]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


def clean(line: str) -> str:
    """The line as a person would have seen it."""
    return _ESCAPES.sub("", line)


class LineAssembler:
    """Collects pieces of text and gives complete lines.

    >>> lines = LineAssembler()
    >>> lines.feed("one\\r\\ntw"), lines.feed("o\\n")
    (['one'], ['two'])
    """

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> list[str]:
        """The lines completed by `text`, cleaned. What exceeds `MAX_LINE` characters of a line is dropped."""
        *complete, rest = text.split("\n")
        if not complete:
            self._rest = (self._rest + rest)[:MAX_LINE]
            return []
        lines = [(self._rest + complete[0])[:MAX_LINE], *(line[:MAX_LINE] for line in complete[1:])]
        self._rest = rest[:MAX_LINE]
        return [clean(line) for line in lines]

    def finish(self) -> list[str]:
        """The last line, if the text did not end with a newline."""
        rest, self._rest = self._rest, ""
        return [clean(rest)] if rest else []
