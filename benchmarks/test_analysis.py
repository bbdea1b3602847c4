"""How long a large run takes to be read, analysed and summarised, and how much memory: no machine is needed.

    .venv/bin/pytest benchmarks/test_analysis.py -s

Each size runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1] / "tests"
ANALYSE = """
import resource, sys, time
from pathlib import Path
from harness.report import summary_csv, terminal
from harness.report.summarise import summarise_large
from harness.store import read_large_run
begun = time.process_time()
report = summarise_large(*read_large_run(Path(sys.argv[1])))
terminal.render(report), summary_csv.render(report)
used = time.process_time() - begun
print(f"{used:.1f} s, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
"""


@pytest.mark.parametrize(("cells", "blocks"), [(10, 250), (100, 250), (100, 2500)])
def test_analysis(tmp_path, capsys, cells, blocks):
    sys.path.insert(0, str(TESTS))
    from large_run import write_large_run  # noqa: PLC0415

    folder = write_large_run(tmp_path, cells, blocks)
    done = subprocess.run(
        [sys.executable, "-c", ANALYSE, str(folder)], capture_output=True, text=True, check=True, timeout=600
    )
    with capsys.disabled():
        print(f"\n{4 * cells * blocks} records over {cells} cells: {done.stdout.strip()}")
