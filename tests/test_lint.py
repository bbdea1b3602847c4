"""The project's own rules, held against every file that git knows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from paths import PROJECT

MAX_LINES = 400


def tracked(*patterns: str) -> list[Path]:
    """Files of the project: tracked by git, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(path for name in set(listed.stdout.split("\0")) - {""} if (path := PROJECT / name).is_file())


def shell_scripts() -> list[Path]:
    """By first line or by name: scripts of the guest have no suffix, fragments no first line."""
    return [path for path in tracked() if path.suffix == ".sh" or path.read_bytes().startswith(b"#!/bin/sh")]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "--quiet", "."],
        ["ruff", "format", "--quiet", "--diff", "."],
        ["mypy", "--no-error-summary"],
        ["lint-imports", "--no-logo"],
    ],
    ids=["ruff check", "ruff format", "mypy", "lint-imports"],
)
def test_tool_is_content(command):
    tool, *arguments = command
    done = subprocess.run(
        [Path(sys.executable).with_name(tool), *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_shell_is_clean_and_portable():
    scripts = shell_scripts()
    assert PROJECT / "images/guest/usr/lib/kexec-harness/agent" in scripts
    checker = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([checker, "--shell=dash", *scripts], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", tracked("*.py"), ids=lambda path: str(path.relative_to(PROJECT)))
def test_python_file_is_short_and_waits_only_on_the_clock(path):
    source = path.read_text("utf-8")
    assert len(source.splitlines()) <= MAX_LINES
    if path.name == "clock.py":
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr == "sleep":
            pytest.fail(f"line {node.lineno}: sleeps; wait for what must happen, with a Deadline")


def test_nothing_is_left_for_later():
    mark = re.compile(rb"\b(" + b"|".join([b"TO" + b"DO", b"FIX" + b"ME", b"X" * 3]) + rb")\b")
    found = [str(path) for path in tracked() if mark.search(path.read_bytes())]
    assert found == []


def test_everything_that_may_be_run_says_what_runs_it():
    listed = subprocess.run(["git", "ls-files", "--stage"], cwd=PROJECT, capture_output=True, text=True, check=True)
    executable = [line.split("\t", 1)[1] for line in listed.stdout.splitlines() if line.startswith("100755")]
    assert ".ci/run" in executable
    assert [name for name in executable if not (PROJECT / name).read_bytes().startswith(b"#!")] == []


def test_no_test_module_has_the_name_of_another():
    """pytest imports modules of folders without `__init__.py` by their bare names."""
    names = [path.name for folder in ("tests", "scenarios") for path in (PROJECT / folder).glob("*.py")]
    assert sorted(set(names) - {"conftest.py"}) == sorted(name for name in names if name != "conftest.py")
