"""The README is true: its example is the one that runs, its links lead somewhere, its targets and names exist."""

from __future__ import annotations

import re

import pytest
from paths import PROJECT

from harness.model import FailureClass

README = (PROJECT / "README.md").read_text("utf-8")


def test_the_example_scenario_is_the_one_that_runs():
    [example] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert example in (PROJECT / "scenarios/test_kexec_load.py").read_text("utf-8")
    assert len(example.splitlines()) <= 10


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^):]+)\)", README))))
def test_links_lead_somewhere(target):
    assert (PROJECT / target).exists()


def test_every_target_it_names_exists():
    targets = set(re.findall(r"^([a-z-]+):(?!=)", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:^    |`)make ([a-z][a-z-]*)", README, re.MULTILINE))
    assert {"soak", "test", "check"} <= named <= targets


def test_every_failure_class_is_explained_once_and_there_is_no_other():
    classes = (PROJECT / "docs/verdicts.md").read_text("utf-8").split("## Failure classes", 1)[1].split("\n## ", 1)[0]
    explained = [
        name for row in re.findall(r"^\| (`.*?) \|", classes, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    ]
    assert sorted(explained) == sorted(member.value for member in FailureClass)
    [others] = re.findall(r"`root_not_found` and (\d+) others", README)
    assert int(others) + 3 == len(FailureClass)


def test_every_place_it_names_exists():
    table = README.split("## Where things are", 1)[1]
    places = re.findall(r"`([\w./-]+)`", table)
    assert "harness/model/" in places
    assert [
        place for place in places if not any((PROJECT / top / place).exists() for top in ("", "harness", "images"))
    ] == []
