"""Lines of keys in TOML files: the line found is the line on which the key was written."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config.toml_place import line_of, read_toml
from harness.errors import ConfigError

EXAMPLE = '''\
# a comment with [a.header] and key = "value"
[defaults]
blocks = 10   # ten
text = """
blocks = 3
[axes]
"""

[axes]
device = ["nvme",
    # the second
    "ahci", "e1000e",
]
pairs = [[1, 2],
         [3,
          4]]

[[exclude]]
device = "nvme"
[[exclude]]
device = "ahci"
where.when = { now = 1, then = 2 }
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("defaults",), 2),
        (("defaults", "blocks"), 3),
        (("defaults", "text"), 4),
        (("axes",), 9),
        (("axes", "device"), 10),
        (("axes", "device", 0), 10),
        (("axes", "device", 1), 12),
        (("axes", "device", 2), 12),
        (("axes", "pairs", 1, 1), 16),
        (("exclude", 0, "device"), 19),
        (("exclude", 1), 20),
        (("exclude", 1, "device"), 21),
        (("exclude", 1, "where", "when", "then"), 22),
        (("axes", "blocks"), None),
        (("exclude", 2), None),
        (("defaults", "blocks", "deeper"), None),
    ],
)
def test_line_of_every_kind_of_key(path, line):
    assert line_of(EXAMPLE, path) == line


KEYS = st.text("abcdef-_", min_size=1, max_size=5)
#: statements that set a key, one line and several, with every trap for a search by text
VALUES = st.sampled_from(
    [
        "1",
        '"[x]"',
        "[1, 2]",
        '"""\n[a]\na = 1\n"""',
        "'''\n]\n'''",
        "[\n  1, # ]\n  2,\n]",
        "{ a = 1, b = '# no' }",
    ]
)
NOISE = st.sampled_from(["", "# a = 1", "# [a]", "   ", "\t# b = '''"])


@st.composite
def files(draw):
    """The text of a TOML file, and the line on which each of its keys is set."""
    lines: list[str] = []
    where: dict[tuple[str, ...], int] = {}
    for table in draw(st.lists(KEYS, unique=True, max_size=4)):
        lines += draw(st.lists(NOISE, max_size=2))
        lines.append(f"[{table}]")
        where[(table,)] = len(lines)
        for key in draw(st.lists(KEYS, unique=True, max_size=3)):
            lines += draw(st.lists(NOISE, max_size=2))
            where[(table, key)] = len(lines) + 1
            lines += f"{key} = {draw(VALUES)}".split("\n")
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines), where


@given(files())
@settings(max_examples=60, deadline=None)
def test_the_line_found_is_the_line_written(file):
    text, where = file
    tomllib.loads(text)
    assert {path: line_of(text, path) for path in where} == where


@given(files(), KEYS)
@settings(max_examples=30, deadline=None)
def test_a_key_that_is_not_set_has_no_line(file, key):
    text, where = file
    if (key,) not in where:
        assert line_of(text, (key,)) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a]\nb = 1\nb = 2\n", "m.toml:3: not TOML: cannot overwrite a value (column 6)"),
        ("[a]\nb == 1\n", "m.toml:2: not TOML: invalid value (column 4)"),
        ('[a]\n\nb = [1,\n"', "m.toml:4: not TOML: "),
    ],
)
def test_what_is_not_toml_has_line_and_column(tmp_path, text, message):
    file = tmp_path / "m.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_toml(file, shown=Path("m.toml"))
    assert str(caught.value).startswith(message)


def test_a_missing_file_has_a_mend(tmp_path):
    with pytest.raises(ConfigError, match=r"^m\.toml: cannot be read: No such file or directory\n  make one$"):
        read_toml(tmp_path / "m.toml", shown=Path("m.toml"), mend="make one")


def test_a_file_that_is_no_text(tmp_path):
    file = tmp_path / "m.toml"
    file.write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match="is not UTF-8 text: invalid start byte at byte 5"):
        read_toml(file)
