"""Reboots that are made to go wrong on a real machine get the verdict they must get.

Left out unless asked for (`-m provoked`): each takes a minute or two. With `--record --kexec-seed=1` the events are
kept for tests/test_replay.py.
"""

from __future__ import annotations

import gzip
import tomllib
from pathlib import Path

import msgspec
import pytest

from harness.model import Outcome

TRANSCRIPTS = Path(__file__).parents[1] / "tests" / "testdata" / "transcripts"
CASES = tomllib.loads((TRANSCRIPTS / "cases.toml").read_text("utf-8"))

pytestmark = [pytest.mark.vm, pytest.mark.provoked]


@pytest.mark.parametrize("name", CASES)
def test_verdict(name, guest, request):
    case = CASES[name]
    if "sabotage" in case:
        assert guest.run(case["sabotage"]).status == 0
    verdict = guest.reboot(case["method"])
    if request.config.getoption("--record"):
        lines = [msgspec.json.encode(event) + b"\n" for event in guest.events]
        (TRANSCRIPTS / f"{name}.jsonl.gz").write_bytes(gzip.compress(b"".join(lines), mtime=0))
    found = verdict.outcome.value if verdict.outcome is Outcome.PASS else verdict.failure_class.value
    assert found == case["verdict"], verdict
    assert case.get("reason", "") in verdict.reason
