"""The registry: members of a folder by name, twins rejected with both files named, and helpful lookups."""

from __future__ import annotations

import sys
import textwrap
import types

import pytest
from msgspec import Struct

import harness.devices
import harness.reboot
from harness.devices.base import DeviceSet
from harness.errors import ConfigError, HarnessError
from harness.registry import collect, lookup, members, unknown


class Part(Struct, frozen=True):
    name: str


@pytest.fixture
def folder(tmp_path, monkeypatch, request):
    """Makes a package of the given files; its name is unique, so that no test sees another's modules."""
    name = f"parts_{request.node.name.partition('[')[0]}"

    def make(files: dict[str, str]) -> str:
        package = tmp_path / name
        package.mkdir()
        for file, text in {"__init__.py": "", **files}.items():
            (package / file).write_text(textwrap.dedent(text))
        monkeypatch.syspath_prepend(tmp_path)
        return name

    return make


def test_members_are_found_by_their_name_and_sorted(folder):
    package = folder(
        {
            "one.py": "NAME = 'zebra'",
            "two.py": "NAME = 'ant'",
            "base.py": "SHARED = 1",
            "_private.py": "raise RuntimeError('a private module must not even be imported')",
        }
    )
    found = members(package)
    assert list(found) == ["ant", "zebra"]
    assert found["zebra"].__name__ == f"{package}.one"


def test_twins_among_members_are_rejected_with_both_files(folder):
    package = folder({"one.py": "NAME = 'kexec'", "two.py": "NAME = 'kexec'"})
    with pytest.raises(HarnessError, match=r"one\.py and .*two\.py both define 'kexec'") as caught:
        members(package)
    assert caught.value.exit_code == 3


FAMILY = """
from tests_parts import Part
PARTS = ({parts})
"""


@pytest.fixture
def part_module(monkeypatch):
    """Lets the files of a made package import `Part` from here."""
    module = types.ModuleType("tests_parts")
    module.Part = Part
    monkeypatch.setitem(sys.modules, "tests_parts", module)


def test_a_family_lists_several_objects(folder, part_module):
    package = folder(
        {
            "disks.py": FAMILY.format(parts="Part('nvme'), Part('ahci')"),
            "cards.py": FAMILY.format(parts="Part('e1000e'),"),
            "base.py": "",
        }
    )
    assert collect(package, "PARTS", Part) == {"e1000e": Part("e1000e"), "nvme": Part("nvme"), "ahci": Part("ahci")}


def test_twins_in_one_family_or_two_are_rejected(folder, part_module):
    package = folder(
        {"disks.py": FAMILY.format(parts="Part('nvme'),"), "more.py": FAMILY.format(parts="Part('nvme'),")}
    )
    with pytest.raises(HarnessError, match=r"disks\.py and .*more\.py both define 'nvme'"):
        collect(package, "PARTS", Part)


def test_a_family_that_lists_something_else_is_a_mistake(folder, part_module):
    package = folder({"disks.py": "PARTS = ('nvme',)"})
    with pytest.raises(TypeError, match=r"disks\.py: PARTS holds 'nvme', which is no Part"):
        collect(package, "PARTS", Part)


def test_lookup_suggests_what_was_meant():
    known = {"virtio-net": 1, "nvme": 2}
    assert lookup(known, "nvme", "device set") == 2
    with pytest.raises(ConfigError) as caught:
        lookup(known, "virtio-nte", "device set")
    assert str(caught.value) == ("unknown device set 'virtio-nte'; known: virtio-net, nvme; did you mean virtio-net?")


def test_nothing_is_suggested_when_nothing_is_close():
    assert unknown("toaster", "method", ["kexec", "cold"]) == "unknown method 'toaster'; known: kexec, cold"
    assert unknown("kexec", "method", []) == "unknown method 'kexec'; known: none"


def test_the_harness_own_folders_have_no_twins():
    assert {"kexec", "cold"} <= members(harness.reboot).keys()
    assert {"virtio-net", "nvme"} <= collect(harness.devices, "DEVICE_SETS", DeviceSet).keys()
