"""The CI files that people copy: what GitHub and GitLab take for valid, and commands that exist here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from paths import PROJECT

FOLDER = PROJECT / "docs" / "ci"
SCHEMAS = {
    "github-actions.yml": "vendor.github-workflows",
    "gitlab-ci.yml": "vendor.gitlab-ci",
    "gitlab-cells.yml": "vendor.gitlab-ci",
}


def check(schema: str, *files: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_file_has_a_schema():
    assert {path.name for path in FOLDER.iterdir()} == SCHEMAS.keys()


@pytest.mark.parametrize("name", SCHEMAS)
def test_file_is_what_its_system_takes(name: str):
    done = check(SCHEMAS[name], FOLDER / name)
    assert done.returncode == 0, done.stdout


def test_a_key_that_its_system_does_not_know_is_found(tmp_path):
    spoilt = tmp_path / "spoilt.yml"
    spoilt.write_text((FOLDER / "github-actions.yml").read_text().replace("runs-on:", "run-on:"))
    assert check(SCHEMAS["github-actions.yml"], spoilt).returncode == 1


@pytest.mark.parametrize("name", SCHEMAS)
def test_commands_exist(name: str):
    """Each `make` target and each sub-command that a file calls is one that this project has."""
    text = (FOLDER / name).read_text()
    makefile = (PROJECT / "Makefile").read_text()
    for target in re.findall(r"\bmake (?:--\S+ )*([a-z]+)", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for command in re.findall(r"kexec-harness ([a-z]+)", text):
        assert (PROJECT / "harness" / "cli" / f"{command}.py").exists(), command
