"""What the programs in the guest print: one record a line, NAME=VALUE separated by tabs."""

from __future__ import annotations

Value = str | int | float
Record = dict[str, Value]


def parse(output: str) -> list[Record]:
    """The records in the output of a guest program; values that are numbers become numbers.

    Raises ValueError for a line that is no record: then the measurement was not made.
    """
    return [_record(line) for line in output.splitlines() if line.strip()]


def _record(line: str) -> Record:
    record: Record = {}
    for field in line.split("\t"):
        name, separator, value = field.partition("=")
        if not separator or not name.isidentifier():
            raise ValueError(f"not a record: {line[:400]}")
        record[name] = _value(value)
    return record


def _value(text: str) -> Value:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def number(record: Record, name: str) -> float:
    """A field that must be a number. Raises ValueError if it is missing or something else."""
    value = record.get(name)
    if not isinstance(value, int | float):
        raise ValueError(f"{name} is {value!r}, not a number")
    return value
