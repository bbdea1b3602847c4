"""Lets atheris look for inputs that break a target: `python tests/fuzz/explore.py TARGET [libFuzzer options]`.

Coverage leads it, so it finds what chance does not. `make fuzz TARGET=console SECONDS=60` sets it up.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

with atheris.instrument_imports(include=["harness"]):
    from targets import TARGETS


def main() -> None:
    """Run one target until it breaks or libFuzzer's limits are reached."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: explore.py TARGET [libFuzzer options]; targets: {', '.join(TARGETS)}")
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
