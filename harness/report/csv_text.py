"""CSV as programs read it back and spreadsheets do no harm with it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from enum import Enum

from harness.report.text import visible

Value = str | int | float | None

#: a spreadsheet takes text with one of these in front for a formula (OWASP, "CSV Injection"); full-width too
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
#: longer text is cut: a cell is for reading, the records keep it whole
MAX_CELL = 4_000


def field(value: Value) -> str:
    """One value: unknown is empty, floats keep every digit, text is on one line and never a formula."""
    if value is None:
        return ""
    if isinstance(value, Enum):
        value = str(value.value)
    if isinstance(value, str):
        text = visible(value, MAX_CELL)
        return f"'{text}" if text.startswith(_FORMULA) else text
    return repr(value)


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> bytes:
    """A header and rows as UTF-8, one line each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([field(value) for value in row] for row in rows)
    return text.getvalue().encode()
