"""What every benchmark has: a bench that runs programs in the guest, keeps the records and prints the tables."""

from __future__ import annotations

import pytest

from benchmarks.bench import Bench
from benchmarks.ledger import Ledger
from harness.lab import Lab
from harness.model import Cell


@pytest.fixture
def bench(request: pytest.FixtureRequest, lab: Lab, cell: Cell) -> Bench:
    """The bench of the running item; its records go to results/bench/, into the file named like the item's module."""
    plugin = request.config.pluginmanager.get_plugin("kexec-harness-run")
    settings = plugin.settings
    given = settings.blocks if "blocks" in settings.origins and settings.origins["blocks"] != "default" else None
    name = request.path.stem.removeprefix("test_")
    ledger = Ledger(
        settings.results / "bench" / f"{name}.jsonl",
        image=cell.image,
        cell=cell.cell_id,
        accel=lab.accel.accel.value,
        qemu_version=lab.qemu.version,
        memory_mib=settings.memory,
        cpus=settings.smp,
        seed=settings.seed,
    )
    return Bench(name=name, ledger=ledger, say=plugin.say, blocks=given, seed=settings.seed)
