"""Settings: which source wins, what a value may be, and errors that name the place and the mend."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import msgspec
import pytest

from harness.config import SETTINGS, Settings, Sources, resolve
from harness.config.table import MAX_SEED
from harness.errors import ConfigError
from harness.model import Setting

MATRIX = """
[defaults]
blocks = 4
smp = 3
margin = 0.05
methods = ["kexec"]
"""


def fails_with(text: str, **sources: object) -> None:
    """Resolving these sources gives exactly this message."""
    with pytest.raises(ConfigError) as caught:
        resolve(Sources(**{"folder": Path("/nowhere"), **sources}))
    assert str(caught.value) == text
    assert caught.value.exit_code == 4


@pytest.fixture
def project(tmp_path):
    """A folder with a matrix and a pyproject.toml that sets everything the tests want set."""

    def write(name: str, text: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    return write


# ---- precedence ---------------------------------------------------------------------------------------------


def test_the_strongest_source_wins_and_every_value_says_where_it_came_from(tmp_path, project):
    matrix = project("scenarios/matrix.toml", MATRIX)
    pyproject = project("pyproject.toml", "[tool.pytest]\nkexec_blocks = 3\nkexec_smp = 1\nkexec_memory = 512\n")
    resolved = resolve(
        Sources(
            command_line={"blocks": "1", "matrix": str(matrix), "jobs": None},
            environment={"KEXEC_BLOCKS": "2", "KEXEC_MEMORY": "256", "KEXEC_JOBS": "", "HOME": "/root"},
            ini={"blocks": 3, "memory": 512, "smp": 1, "jobs": None},
            ini_file=pyproject,
            folder=tmp_path,
        )
    )
    seen = {name: (getattr(resolved, name), resolved.origins[name]) for name in ("blocks", "memory", "smp", "jobs")}
    assert seen == {
        "blocks": (1, "command line --kexec-blocks"),
        "memory": (256, "environment KEXEC_MEMORY"),
        "smp": (1, "pyproject.toml"),
        "jobs": (1, "default"),
    }
    assert (resolved.margin, resolved.origins["margin"]) == (0.05, "scenarios/matrix.toml:5")
    assert (resolved.methods, resolved.origins["methods"]) == (("kexec",), "scenarios/matrix.toml:6")


def test_defaults(settings):
    resolved = settings()
    assert (resolved.methods, resolved.blocks, resolved.jobs, resolved.stop) == (("kexec", "cold"), 10, 1, "fixed")
    assert (resolved.memory, resolved.smp, resolved.failure_budget, resolved.margin) == (1024, 2, 0, 0.01)
    assert (resolved.device, resolved.select, resolved.mirror, resolved.accel) == ((), (), None, "auto")
    assert resolved.matrix.is_file()
    assert (resolved.images_dir / "debian-13.toml").is_file()


def test_a_default_matrix_that_is_not_there_is_no_error(tmp_path, monkeypatch, settings):
    [definition] = [definition for definition in SETTINGS if definition.name == "matrix"]
    missing = msgspec.structs.replace(definition, default=tmp_path / "none.toml")
    monkeypatch.setitem(resolve.__globals__["BY_NAME"], "matrix", missing)
    assert settings().blocks == 10


def test_a_setting_given_to_pytest_without_a_file_counts_too(tmp_path):
    resolved = resolve(Sources(ini={"blocks": "7"}, folder=tmp_path))
    assert (resolved.blocks, resolved.origins["blocks"]) == (7, "pytest configuration")


def test_every_setting_has_a_field_and_all_of_its_names():
    assert {definition.name for definition in SETTINGS} | {"origins", "overrides"} == set(Settings.__struct_fields__)
    [definition] = [definition for definition in SETTINGS if definition.name == "failure_budget"]
    assert (definition.option, definition.key) == ("--kexec-failure-budget", "kexec_failure_budget")
    assert (definition.variable, definition.make_variable) == ("KEXEC_FAILURE_BUDGET", "FAILURE_BUDGET")
    assert definition.ini_type == "int"


def test_the_records_of_a_run_can_be_written_as_json(settings):
    records = settings(device="nvme,ahci", results="here").records()
    written = msgspec.json.decode(msgspec.json.encode(records), type=dict[str, Setting])
    assert written["device"] == Setting(["nvme", "ahci"], "command line --kexec-device")
    assert written["results"].value.endswith("/here")
    assert written.keys() == {definition.name for definition in SETTINGS}


@pytest.mark.parametrize(("raw", "value"), [("1%", 0.01), ("1/500", 0.002), ("0.25", 0.25), ("2.5 %", 0.025)])
def test_a_share_may_be_written_as_people_say_it(settings, raw, value):
    assert settings(max_failure_rate=raw).max_failure_rate == pytest.approx(value)


@pytest.mark.parametrize("raw", ["1/0", "1/2/3", "%", "x%", "1/x"])
def test_what_is_no_share_is_refused(settings, raw):
    with pytest.raises(ConfigError, match="is not a number"):
        settings(margin=raw)


def test_a_run_that_stops_by_itself_has_blocks_enough(settings):
    assert (settings(stop="auto").blocks, settings(stop="auto", blocks="7").blocks) == (2000, 7)
    assert settings(stop="time:2h").blocks == 1_000_000
    assert settings(stop="auto").origins["blocks"] == "most for STOP=auto"


# ---- values -------------------------------------------------------------------------------------------------


def test_a_seed_that_nobody_gave_is_drawn_and_can_be_given_again(tmp_path, settings):
    drawn = settings(seed="")
    assert (drawn.seed, drawn.origins["seed"]) == (42, "drawn at random")
    assert settings(seed="7").seed == 7
    first, second = (resolve(Sources(folder=tmp_path)).seed for _ in range(2))
    assert first != second
    assert settings(seed=str(first)).seed == first
    assert settings(seed=str(MAX_SEED)).seed == MAX_SEED


def test_paths_start_where_they_were_written(tmp_path, project, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    matrix = project("scenarios/matrix.toml", "[defaults]\nimages_dir = '../my-images'\n")
    resolved = resolve(
        Sources(
            command_line={"results": "out", "matrix": str(matrix)},
            environment={"KEXEC_CACHE_DIR": "~/cache"},
            folder=tmp_path,
        )
    )
    assert resolved.results == tmp_path / "out"
    assert resolved.cache_dir == Path("/home/someone/cache")
    assert resolved.images_dir.resolve() == tmp_path / "my-images"


def test_lists_are_written_with_commas_or_as_toml_lists(settings):
    assert settings(device=" nvme , ahci").device == ("nvme", "ahci")
    assert settings(device=["nvme,ahci", "e1000e"]).device == ("nvme", "ahci", "e1000e")


WHOLE_BLOCKS = "\n  give a whole number from 1 to 1000000, for example BLOCKS=10"


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("blocks", "ten", "--kexec-blocks: 'ten' is not a whole number" + WHOLE_BLOCKS),
        ("blocks", "1.5", "--kexec-blocks: '1.5' is not a whole number" + WHOLE_BLOCKS),
        ("blocks", "٣", "--kexec-blocks: '٣' is not a whole number" + WHOLE_BLOCKS),
        ("blocks", "0", "--kexec-blocks: 0 is out of range" + WHOLE_BLOCKS),
        ("blocks", "-3", "--kexec-blocks: -3 is out of range" + WHOLE_BLOCKS),
        ("blocks", "1000001", "--kexec-blocks: 1000001 is out of range" + WHOLE_BLOCKS),
        ("blocks", "9" * 5000, f"--kexec-blocks: '{'9' * 5000}' is not a whole number" + WHOLE_BLOCKS),
        ("blocks", " ", "--kexec-blocks: is empty\n  leave it out, or give" + WHOLE_BLOCKS.removeprefix("\n  give")),
        (
            "margin",
            "nan",
            "--kexec-margin: nan is out of range\n  give a number from 1e-06 to 0.5, for example MARGIN=0.01",
        ),
        (
            "seed",
            str(2**63),
            f"--kexec-seed: {2**63} is out of range\n  give a whole number from 0 to {2**63 - 1}, for example SEED=1",
        ),
        (
            "stop",
            "sometime",
            (
                "--kexec-stop: 'sometime' is not a stop rule"
                "\n  give fixed, auto, or time: with a duration such as time:2h or time:90m"
            ),
        ),
        (
            "firmware",
            "ovfm",
            "--kexec-firmware: unknown firmware 'ovfm'; known: seabios, ovmf, ovmf-secboot; did you mean ovmf?",
        ),
        ("methods", "kexec,kexec", "--kexec-methods: 'kexec' is there twice\n  name each one once"),
        (
            "methods",
            "kexec,,cold",
            (
                "--kexec-methods: 'kexec,,cold' has an empty or unprintable name in it"
                "\n  give a list of names, for example METHODS=kexec,cold"
            ),
        ),
        (
            "results",
            "a\nb",
            "--kexec-results: 'a\\nb' is not a path\n  give a path, for example RESULTS=results",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_place_and_mend(name, raw, message):
    fails_with(f"command line {message}", command_line={name: raw})


def test_errors_name_the_environment(tmp_path):
    fails_with("environment KEXEC_BLOCKS: 'x' is not a whole number" + WHOLE_BLOCKS, environment={"KEXEC_BLOCKS": "x"})


def test_an_unknown_variable_is_an_error_and_not_ignored():
    with pytest.raises(ConfigError) as caught:
        resolve(Sources(environment={"KEXEC_BLOKS": "3"}, folder=Path("/nowhere")))
    text = str(caught.value)
    assert text.startswith("unknown environment variable 'KEXEC_BLOKS'; known: KEXEC_DEVICE, ")
    assert text.endswith("did you mean KEXEC_BLOCKS?\n  correct it, or unset it: unset KEXEC_BLOKS")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("pyproject.toml", "[project]\nname = 'x'\n[tool.pytest]\nkexec_blocks = 0\n", ":4"),
        ("pyproject.toml", "[tool.pytest.ini_options]\nkexec_blocks = '0'\n", ":2"),
        ("pytest.toml", "[pytest]\n\nkexec_blocks = 0\n", ":3"),
        ("pytest.ini", "[pytest]\nkexec_blocks = 0\n", ""),
    ],
)
def test_errors_name_the_line_of_pytests_configuration(tmp_path, project, name, text, line):
    fails_with(
        f"{name}{line}: kexec_blocks: 0 is out of range" + WHOLE_BLOCKS,
        ini={"blocks": 0},
        ini_file=project(name, text),
        folder=tmp_path,
    )


# ---- the matrix's defaults ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[defaults]\nblocks = 'ten'\n", "m.toml:2: defaults.blocks: 'ten' is not a whole number" + WHOLE_BLOCKS),
        ("[defaults]\n\nblocks = '10'\n", "m.toml:3: defaults.blocks: '10' is not a whole number" + WHOLE_BLOCKS),
        ("[defaults]\nblocks = true\n", "m.toml:2: defaults.blocks: True is not a whole number" + WHOLE_BLOCKS),
        (
            "[defaults]\nmargin = '1'\n",
            (
                "m.toml:2: defaults.margin: '1' is not a number"
                "\n  give a number from 1e-06 to 0.5, for example MARGIN=0.01"
            ),
        ),
        (
            "[defaults]\nmethods = ['kexec', 3]\n",
            (
                "m.toml:2: defaults.methods: ['kexec', 3] is not a list of names"
                "\n  give a list of names, for example METHODS=kexec,cold"
            ),
        ),
        (
            "[defaults]\ndevice = 'nvme'\n",
            (
                "m.toml:2: defaults.device: cannot have its default here"
                "\n  say in [select.default] which cells run when none is named"
            ),
        ),
        ("defaults = 3\n", "m.toml:1: defaults: must be a table"),
    ],
)
def test_a_wrong_default_is_named_with_its_line(tmp_path, project, text, message):
    matrix = project("m.toml", text)
    fails_with(message, command_line={"matrix": str(matrix)}, folder=tmp_path)


def test_an_unknown_default_is_named_with_what_was_meant(tmp_path, project):
    matrix = project("m.toml", "[defaults]\nseed = 1\nbloks = 3\n")
    with pytest.raises(ConfigError, match=r"^m\.toml:3: defaults\.bloks: unknown setting 'bloks'; .*mean blocks\?$"):
        resolve(Sources(command_line={"matrix": str(matrix)}, folder=tmp_path))


def test_a_matrix_that_was_named_must_be_there(tmp_path):
    fails_with(
        "m.toml: cannot be read: No such file or directory\n  name the file that says which cells exist: MATRIX=PATH",
        command_line={"matrix": "m.toml"},
        folder=tmp_path,
    )


def test_help_of_a_setting_says_what_it_may_be():
    for definition in SETTINGS:
        for choice in definition.choices:
            assert re.search(rf"\b{choice}\b", definition.help, re.IGNORECASE), definition.name
