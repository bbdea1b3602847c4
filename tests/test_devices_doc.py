"""docs/devices.md: its tables of device sets are made from the sets; `pytest --update-golden` renews them."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

from paths import PROJECT

import harness.devices
from harness.devices.base import DeviceSet
from harness.lab import device_sets

DOC = PROJECT / "docs" / "devices.md"
BEGIN, END = "<!-- made from harness/devices by tests/test_devices_doc.py -->", "<!-- end of what is made -->"
#: options that are the same for all sets of a family; `kexec-harness matrix show` has every word
BACKENDS = ("-netdev", "-drive")
HEAD = "| set | what it is | QEMU's options | driver | kernel modules | QEMU |\n|---|---|---|---|---|---|"


def families() -> Iterator[tuple[str, str, tuple[DeviceSet, ...]]]:
    """Every family: its name, what is checked, its sets."""
    for info in pkgutil.iter_modules(harness.devices.__path__):
        module = importlib.import_module(f"harness.devices.{info.name}")
        sets = getattr(module, "DEVICE_SETS", ())
        if sets:
            yield info.name, (module.__doc__ or "").split("\n\n")[0].replace("\n", " "), sets


def row(found: DeviceSet) -> str:
    options = [*(found.root_argv(Path("MACHINE")) or ()), *found.argv(Path("MACHINE"))]
    shown = [f"{option} {value}" for option, value in options if option not in BACKENDS]
    joined = "<br>".join(f"`{option}`" for option in shown)
    modules = ", ".join(found.modules_needed).replace("|", " or ")
    driver = found.driver.replace("|", " or ")
    return f"| `{found.name}` | {found.summary} | {joined} | {driver} | {modules} | {found.since or 'any'} |"


def tables() -> str:
    parts = [f"### {name}\n\n{checked}\n\n{HEAD}\n" + "\n".join(map(row, sets)) for name, checked, sets in families()]
    return "\n\n".join(parts)


def test_the_tables_are_those_of_the_sets(golden):
    text = DOC.read_text("utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    golden(DOC, f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}")


def test_every_set_has_a_verdict_and_no_other_has():
    verdicts = DOC.read_text("utf-8").split("## Verdicts", 1)[1].split("\n## ", 1)[0]
    named = re.findall(r"^\| `([^`]+)` \|", verdicts, re.MULTILINE)
    assert sorted(named) == sorted(device_sets())
