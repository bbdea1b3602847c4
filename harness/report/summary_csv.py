"""summary.csv: one row per cell and arm. Shares from 0 to 1, times in seconds; an unknown is empty, never 0.

`ratio` and `decision` hold the arm against the baseline, and are empty on the baseline's own row. A cell of which no
cycle was recorded has one row without a method, so that it is not overlooked.
"""

from __future__ import annotations

from harness.report.csv_text import Value, to_csv
from harness.report.model import MEASURES, ArmSummary, CellReport, Contrast, Report

NAME = "summary-csv"
FILE_NAME = "summary.csv"

# The order is a contract: new columns go to the end.
COLUMNS = (
    *("cell_id", "method", "cycles", "failed", "invalid", "failure_rate", "ci_low", "ci_high", "median_s", "p95_s"),
    *(f"median_{measure}" for measure in MEASURES if measure != "total_s"),
    *("baseline", "ratio", "ratio_low", "ratio_high", "ratio_level", "ratio_pairs"),
    *("decision", "p_value", "risk_difference", "difference_low", "difference_high", "margin", "more_blocks"),
    *("top_failure_class", "interrupted", "setup_failed"),
    *("anytime", "difference_at_most", "p_beyond_margin", "e_worse", "e_no_worse", "gates"),
    *("saved_s", "saved_low_s", "saved_high_s", "break_even_firmware_s", "waiting_share", "q_value"),
    *(f"ratio_{measure}{end}" for measure in MEASURES if measure != "total_s" for end in ("", "_low", "_high")),
)


def render(report: Report) -> bytes:
    """The whole file, as UTF-8."""
    rows = [_row(cell, arm) for cell in report.cells for arm in cell.arms or (None,)]
    return to_csv(COLUMNS, ([row.get(column) for column in COLUMNS] for row in rows))


def _row(cell: CellReport, arm: ArmSummary | None) -> dict[str, Value]:
    row: dict[str, Value] = {"cell_id": cell.cell_id, "setup_failed": cell.setup_failed}
    if arm is None:
        return row | {"cycles": 0, "failed": 0, "invalid": 0}
    contrast = next((found for found in cell.contrasts if found.method == arm.method), None)
    return row | _of_arm(arm) | (_of_contrast(contrast) if contrast else {})


def _of_arm(arm: ArmSummary) -> dict[str, Value]:
    total = arm.timings["total_s"]
    return {
        "method": arm.method,
        "cycles": arm.cycles,
        "failed": arm.failed,
        "invalid": arm.invalid,
        "failure_rate": arm.rate.rate,
        "ci_low": arm.rate.low,
        "ci_high": arm.rate.high,
        "median_s": total.median.value,
        "p95_s": total.p95.value,
        **{f"median_{measure}": timing.median.value for measure, timing in arm.timings.items()},
        "top_failure_class": next(iter(arm.classes), None),
        "interrupted": arm.interrupted,
        "waiting_share": arm.waiting_share,
    }


def _of_contrast(contrast: Contrast) -> dict[str, Value]:
    comparison, ratio = contrast.comparison, contrast.ratios["total_s"]
    return {
        "baseline": contrast.baseline,
        "ratio": ratio.ratio,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "ratio_level": ratio.level,
        "ratio_pairs": ratio.n_pairs,
        "decision": comparison.decision,
        "p_value": comparison.p_value,
        "risk_difference": comparison.risk_difference,
        "difference_low": comparison.low,
        "difference_high": comparison.high,
        "margin": comparison.margin,
        "more_blocks": comparison.more_blocks,
        "anytime": int(comparison.anytime),
        "difference_at_most": comparison.at_most,
        "p_beyond_margin": comparison.p_beyond_margin,
        "e_worse": comparison.e_worse,
        "e_no_worse": comparison.e_no_worse,
        "gates": comparison.gates,
        "q_value": contrast.q_value,
        "saved_s": contrast.saved.seconds,
        "saved_low_s": contrast.saved.low,
        "saved_high_s": contrast.saved.high,
        "break_even_firmware_s": contrast.break_even.firmware.seconds if contrast.break_even else None,
        **{f"ratio_{measure}": found.ratio for measure, found in contrast.ratios.items()},
        **{f"ratio_{measure}_low": found.low for measure, found in contrast.ratios.items()},
        **{f"ratio_{measure}_high": found.high for measure, found in contrast.ratios.items()},
    }
