"""The words of the project as frozen types: cell, event, milestone, verdict, cycle record.

Times are seconds (float) on the harness's monotonic clock unless a name says otherwise; an unknown is None.
Nothing here imports anything else of ours.
"""

from harness.model.cells import DEFAULT_DIMENSIONS, Accel, Cell, Firmware, Loader, Option
from harness.model.events import (
    QMP_LOST,
    AgentMessage,
    CommandReply,
    CommandSent,
    ConsoleData,
    DeviceFinding,
    EndReason,
    Event,
    FirmwareData,
    Gap,
    Heartbeat,
    ProcessExit,
    QmpEvent,
    Vcpu,
)
from harness.model.evidence import Evidence, Expectation
from harness.model.records import SETUP, CellRows, CycleEnd, CycleRecord, CycleRow, CycleStart, RunInfo, Setting
from harness.model.verdicts import (
    Blame,
    BootPath,
    Confidence,
    FailureClass,
    Milestone,
    Outcome,
    Phases,
    Proof,
    Span,
    Stage,
    Verdict,
)

__all__ = [
    "DEFAULT_DIMENSIONS",
    "QMP_LOST",
    "SETUP",
    "Accel",
    "AgentMessage",
    "Blame",
    "BootPath",
    "Cell",
    "CellRows",
    "CommandReply",
    "CommandSent",
    "Confidence",
    "ConsoleData",
    "CycleEnd",
    "CycleRecord",
    "CycleRow",
    "CycleStart",
    "DeviceFinding",
    "EndReason",
    "Event",
    "Evidence",
    "Expectation",
    "FailureClass",
    "Firmware",
    "FirmwareData",
    "Gap",
    "Heartbeat",
    "Loader",
    "Milestone",
    "Option",
    "Outcome",
    "Phases",
    "ProcessExit",
    "Proof",
    "QmpEvent",
    "RunInfo",
    "Setting",
    "Span",
    "Stage",
    "Vcpu",
    "Verdict",
]
