"""The matrix: which cells come of it, which are left out and why, and errors with file and line."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from paths import PROJECT

from harness.config import every_cell, expand, read_matrix, selections_with
from harness.errors import ConfigError
from harness.lab import known_names
from harness.model import Cell, Firmware, Loader

TEXT = """\
[axes]
image = ["debian-13", "debian-12"]
device = ["virtio-net", "nvme"]
firmware = ["seabios", "ovmf"]

[[include]]
loader = "direct"
firmware = ["seabios", "ovmf"]

[[exclude]]
image = "debian-12"
firmware = "ovmf"
reason = "known to hang"
[[exclude]]
loader = "direct"
firmware = "ovmf"
reason = "takes another path"

[select.default]
image = "debian-13"
device = "virtio-net"
firmware = "seabios"
loader = "grub"

[select.firmware]
device = "virtio-net"
loader = "grub"

[select.full]
"""


@pytest.fixture
def matrix(tmp_path):
    """Reads a matrix from text."""

    def read(text: str = TEXT):
        (tmp_path / "m.toml").write_text(textwrap.dedent(text))
        return read_matrix(tmp_path / "m.toml", folder=tmp_path)

    return read


def ids(cells) -> list[str]:
    return [cell.cell_id for cell in cells]


# ---- cells --------------------------------------------------------------------------------------------------


def test_without_a_word_the_default_selection_runs(matrix, settings, known):
    expansion = expand(matrix(), settings(), known)
    assert expansion.cells == (Cell(image="debian-13", device_set="virtio-net"),)
    assert expansion.excluded == ()


def test_a_dimension_that_is_named_takes_the_place_of_the_selections(matrix, settings, known):
    assert ids(expand(matrix(), settings(device="nvme"), known).cells) == ["debian-13+nvme+seabios"]
    assert ids(expand(matrix(), settings(device="nvme,e1000e", image="debian-12"), known).cells) == [
        "debian-12+nvme+seabios",
        "debian-12+e1000e+seabios",
    ]


def test_a_machine_type_is_named_as_people_name_it(matrix, settings, known):
    named = expand(matrix(), settings(machine="q35,i440fx"), known)
    assert ids(named.cells) == ["debian-13+virtio-net+seabios", "debian-13+virtio-net+seabios+i440fx"]
    with pytest.raises(ConfigError) as caught:
        expand(matrix(), settings(machine="pc"), known)
    problem = "unknown machine type 'pc'; known: q35, i440fx, microvm; QEMU's pc is called i440fx here"
    assert str(caught.value) == f"command line --kexec-machine: {problem}"


def test_a_device_that_no_axis_has_can_still_be_named(matrix, settings, known):
    assert ids(expand(matrix(), settings(device="ahci"), known).cells) == ["debian-13+ahci+seabios"]


def test_a_selection_narrows_the_axes_and_exclusions_are_told(matrix, settings, known):
    expansion = expand(matrix(), settings(select="firmware"), known)
    assert ids(expansion.cells) == [
        "debian-13+virtio-net+seabios",
        "debian-13+virtio-net+ovmf",
        "debian-12+virtio-net+seabios",
    ]
    [left] = expansion.excluded
    assert (left.cell.cell_id, left.reason, left.place) == ("debian-12+virtio-net+ovmf", "known to hang", "m.toml:10")


def test_included_cells_belong_to_selections_that_do_not_rule_them_out(matrix, settings, known):
    expansion = expand(matrix(), settings(select="full"), known)
    assert len(expansion.cells) == 2 * 2 * 2 - 2 + 1
    assert expansion.cells[-1] == Cell(image="debian-13", device_set="virtio-net", loader=Loader.DIRECT)
    assert [left.reason for left in expansion.excluded] == ["known to hang", "known to hang", "takes another path"]
    assert expansion.excluded[-1].place == "m.toml:14"


def test_several_selections_give_each_cell_once(matrix, settings, known):
    both = expand(matrix(), settings(select="default,firmware"), known)
    assert both.cells == expand(matrix(), settings(select="firmware"), known).cells


def test_a_selection_with_a_dimension_named(matrix, settings, known):
    cells = expand(matrix(), settings(select="firmware", device="nvme", image="debian-13"), known).cells
    assert ids(cells) == ["debian-13+nvme+seabios", "debian-13+nvme+ovmf"]


def test_nothing_left_to_run_is_an_error_with_the_reasons(matrix, settings, known):
    with pytest.raises(ConfigError) as caught:
        expand(matrix(), settings(image="debian-12", firmware="ovmf"), known)
    assert str(caught.value) == ("no cell is left to run\n  debian-12+virtio-net+ovmf: known to hang (m.toml:10)")


def test_every_cell_holds_what_exists_whether_or_not_an_axis_has_it(matrix, known):
    expansion = every_cell(matrix(), known)
    assert Cell(image="debian-12", device_set="ahci", loader=Loader.DIRECT) in expansion.cells
    assert len(expansion.cells) + len(expansion.excluded) == 2 * 4 * 2 * 2 * 3
    assert len(set(expansion.cells)) == len(expansion.cells)


def test_selections_with_a_cell(matrix):
    assert selections_with(matrix(), Cell(image="debian-13", device_set="virtio-net")) == [
        "default",
        "firmware",
        "full",
    ]
    assert selections_with(matrix(), Cell(image="debian-13", device_set="nvme")) == ["full"]
    hanging = Cell(image="debian-12", device_set="nvme", firmware=Firmware.OVMF)
    assert selections_with(matrix(), hanging) == []


def test_the_projects_own_matrix_expands(settings):
    chosen = settings()
    own, names = read_matrix(chosen.matrix), known_names(chosen)
    assert ids(expand(own, chosen, names).cells) == ["debian-13+virtio-net+seabios"]
    for name in own.select:
        assert expand(own, settings(select=name), names).cells
    # Whatever device set exists is in the axis, so that no new one is forgotten.
    assert set(own.axes.named()["device"]) == set(names.device)


# ---- names that do not exist --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"device": "virtio-nte"},
            (
                "command line --kexec-device: unknown device set 'virtio-nte'; "
                "known: ahci, e1000e, nvme, virtio-net; did you mean virtio-net?"
            ),
        ),
        (
            {"image": "debian-14"},
            (
                "command line --kexec-image: unknown image 'debian-14'; "
                "known: debian-12, debian-13; did you mean debian-13?"
            ),
        ),
        (
            {"kernel": "bookworm"},
            (
                "command line --kexec-kernel: 'bookworm' is no kernel: "
                "it is default, a version (6.12), two (6.1->6.12: from the first to the second), or a file (./bzImage)"
            ),
        ),
        (
            {"kernel": "6.1-"},
            "command line --kexec-kernel: '6.1-' has lost its end: a shell takes > for itself, so put it in quotes",
        ),
        ({"methods": "warm"}, "command line --kexec-methods: unknown method 'warm'; known: cold, kexec"),
        (
            {"select": "smok"},
            "command line --kexec-select: unknown selection 'smok'; known: default, firmware, full",
        ),
    ],
)
def test_a_name_that_does_not_exist_is_named_with_its_place(matrix, settings, known, given, message):
    with pytest.raises(ConfigError) as caught:
        expand(matrix(), settings(**given), known)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("change", "start"),
    [
        (('["virtio-net", "nvme"]', '["virtio-net",\n  "nmve"]'), "m.toml:4: axes.device: unknown device set 'nmve'; "),
        (('loader = "direct"', 'loader = "dirct"'), "m.toml:7: include.loader: unknown loader 'dirct'; "),
        (('image = "debian-12"', 'image = "debian-11"'), "m.toml:11: exclude.image: unknown image 'debian-11'; "),
        (
            ("[select.full]", '[select.full]\nfirmware = "bios"'),
            "m.toml:30: select.firmware: unknown firmware 'bios'; ",
        ),
    ],
)
def test_a_name_in_the_file_that_does_not_exist_has_its_line(matrix, settings, known, change, start):
    with pytest.raises(ConfigError) as caught:
        expand(matrix(TEXT.replace(*change)), settings(), known)
    assert str(caught.value).startswith(start)


# ---- files that are wrong -----------------------------------------------------------------------------------

MEND_NAMES = "\n  give a name in quotes, or a list of them in brackets"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "firmware = [",
            "firmwares = [",
            (
                "m.toml:4: axes.firmwares: unknown key 'firmwares'; "
                "known: image, device, firmware, loader, kernel, machine; did you mean firmware?"
            ),
        ),
        ("[axes]", "[[axes]]", "m.toml:1: axes: expected a table, got a list"),
        (
            'device = ["virtio-net", "nvme"]\n',
            "",
            "m.toml:1: axes.device: is missing\n  add device to this table",
        ),
        ('"debian-12"]', "12]", "m.toml:2: axes.image[1]: expected text, got a whole number" + MEND_NAMES),
        ('["debian-13", "debian-12"]', "[]", "m.toml:2: axes.image: expected a list of length >= 1" + MEND_NAMES),
        ('reason = "known to hang"\n', "", "m.toml:10: exclude[0].reason: is missing\n  add reason to this table"),
        (
            'image = "debian-12"',
            "image = 12",
            "m.toml:11: exclude[0].image: expected text or a list, got a whole number" + MEND_NAMES,
        ),
        ("[[include]]", "[include]", "m.toml:6: include: must be rows that each begin with [[include]]"),
        (
            "[select.default]",
            "[select.defautl]",
            "m.toml:19: select.default: is missing\n  add [select.default]: the cells that run when nothing is named",
        ),
        (
            "[[include]]",
            "[[incldue]]",
            (
                "m.toml:6: incldue: unknown table 'incldue'; "
                "known: defaults, axes, include, exclude, override, select; did you mean include?"
            ),
        ),
        ('"ovmf"]', '"ovmf"', "m.toml:6: not TOML: unclosed array (column 1)"),
    ],
)
def test_a_wrong_file_is_named_with_line_and_key(matrix, old, new, message):
    assert old in TEXT
    with pytest.raises(ConfigError) as caught:
        matrix(TEXT.replace(old, new, 1))
    assert str(caught.value) == message


def test_a_file_without_axes(matrix):
    with pytest.raises(ConfigError) as caught:
        matrix("[select.default]\n")
    assert str(caught.value) == "m.toml: axes: is missing\n  add a table [axes]"


def test_a_missing_file_says_how_to_name_another(tmp_path):
    with pytest.raises(ConfigError, match="name the file that says which cells exist: MATRIX=PATH"):
        read_matrix(Path("none.toml"), folder=tmp_path)


def test_only_the_selection_of_machine_types_and_the_full_one_leave_q35(settings):
    real = read_matrix(PROJECT / "scenarios" / "matrix.toml")
    for name in real.select:
        chosen = settings(select=name)
        machines = {cell.machine for cell in expand(real, chosen, known_names(chosen)).cells}
        expected = {"machines": {"i440fx", "microvm"}, "full": {"q35", "i440fx", "microvm"}}
        assert machines == expected.get(name, {"q35"})
