"""cycles.csv: one row per cycle, times in seconds with every digit. An unknown is empty, never 0."""

from __future__ import annotations

from harness.model import CycleEnd
from harness.report.csv_text import Value, to_csv
from harness.report.model import PHASES, Report

NAME = "cycles-csv"
FILE_NAME = "cycles.csv"

# The order is a contract: new columns go to the end.
COLUMNS = (
    *("run_id", "cell_id", "image", "device_set", "firmware", "loader", "machine", "arch", "accel", "qemu_version"),
    *("kernel_before", "kernel_after", "method", "block", "order", "cycle", "chain_depth"),
    *("outcome", "failure_class", "path"),
    *("total_s", "shutdown_s", "handoff_s", "kernel_s", "initrd_s", "userspace_s", "vcpu_s", "downtime_s"),
    *("started_at", "console"),
    *("firmware_s", "loader_s", "vcpu_wait_s", "rule", "reason", "last_milestone"),
    "fault",
)


def render(report: Report) -> bytes:
    """The whole file, as UTF-8."""
    return to_csv(COLUMNS, ([_value(end, column) for column in COLUMNS] for end in report.cycles))


def _value(end: CycleEnd, column: str) -> Value:
    value: Value = getattr(end.phases if column in PHASES else end, column)
    return value
