"""What the programs in the guest print: one record a line, NAME=VALUE separated by tabs."""

from __future__ import annotations

Value = str | int | float
Record = dict[str, Value]


def parse(output: str) -> tuple[list[Record], str | None]:
    """The records in the output of a guest program, and the first line that is none, if there is one.

    Values that are numbers become numbers. A program that fails says why on a line of its own: then the measurement
    was not made, but what it had found until then is still worth keeping.
    """
    records = []
    for line in output.splitlines():
        if not line.strip():
            continue
        record = _record(line)
        if record is None:
            return records, line[:400]
        records.append(record)
    return records, None


def _record(line: str) -> Record | None:
    record: Record = {}
    for field in line.split("\t"):
        name, separator, value = field.partition("=")
        if not separator or not name.isidentifier():
            return None
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
