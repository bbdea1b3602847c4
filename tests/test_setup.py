"""What a user meets first: make and its variables, setup.sh, and the mirror that images come from."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from paths import PROJECT

from harness.config import SETTINGS
from harness.errors import ConfigError, InfraError
from harness.host.mirror import apt_mirror, parse_index_targets
from harness.images import ensure, load_recipe
from harness.images.mirror import choose_mirror

TOOLS_TABLE = "harness/host/tools.txt"
#: what setup.sh itself calls; a Debian system always has it
ESSENTIAL = ("cat", "chmod", "cksum", "cut", "dirname", "env", "flock", "mkdir", "mktemp", "rm", "sed", "sh", "sort")
#: what building the package of kexec-load calls
PACKAGE_TOOLS = (
    *("awk", "cat", "chmod", "date", "dirname", "dpkg-deb", "find", "gzip", "head", "install", "make", "md5sum"),
    *("mkdir", "mktemp", "rm", "sed", "sh", "sort", "tar", "touch", "xargs"),
)
#: a Python that writes down what it is asked to do, and makes an environment out of itself
PYTHON = """\
for folder; do :; done
case "$*" in
    *ensurepip*) exit "$NO_ENSUREPIP" ;;
    *"-m venv"*) mkdir -p "$folder/bin" && cat "$0" >"$folder/bin/python" && chmod +x "$folder/bin/python" ;;
esac
case "$1" in -c) ;; *) echo "$*" >>"$LOG" ;; esac
"""


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def call(*command: object, cwd: Path, **env: object) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **{name: str(value) for name, value in env.items()}}
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=30)


# ---- make ---------------------------------------------------------------------------------------------------


@pytest.fixture
def make(tmp_path):
    """Calls make on a copy of the Makefile whose commands only say what they were given."""
    shutil.copy(PROJECT / "Makefile", tmp_path)
    (tmp_path / "setup.sh").write_text('echo "setup PYTHON=$PYTHON" >&2\n')
    for name in ("pytest", "kexec-harness"):
        program(
            tmp_path / ".venv/bin" / name, f'IFS=,; echo "{name} $*"; env | grep ^KEXEC_ | sort; exit "${{STATUS:-0}}"'
        )

    def make(*words, **env):
        return call("make", *words, cwd=tmp_path, **env)

    return make


def test_make_alone_names_every_target_and_every_variable(make):
    done = make()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == make("help").stdout
    targets = set(re.findall(r"^([a-z]+):(?!=)", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^  ([a-z]+)  ", done.stdout, re.MULTILINE)) == targets - {"help"}


def test_make_knows_every_setting(make):
    [names] = re.findall(r"^variables: (.*)", make("help").stdout, re.MULTILINE)
    assert sorted(names.split()) == sorted(
        [*(setting.make_variable for setting in SETTINGS), "FUZZ", "K", "PYTHON", "SECONDS"]
    )


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("DEVCE=nvme", "unknown variable: DEVCE (did you mean DEVICE?)   known: DEVICE IMAGE "),
        ("blocks=3", "unknown variable: blocks (did you mean BLOCKS?)   known: "),
        ("XYZZY=it's $(HOME)", "unknown variable: XYZZY    known: "),
    ],
)
def test_an_unknown_variable_is_an_error_and_nothing_runs(make, word, said):
    done = make("soak", word)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "setup" not in done.stderr


def test_variables_reach_the_harness_as_they_were_written(make):
    done = make("soak", "DEVICE=nvme,e1000e", "SELECT=a 'b' \"c\" $(HOME) `id` ;", "IMAGE=", "K=not slow", PYTHON="/py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "pytest scenarios/test_soak.py,-k,not slow",
        "KEXEC_DEVICE=nvme,e1000e",
        "KEXEC_SELECT=a 'b' \"c\" $(HOME) `id` ;",
    ]
    assert done.stderr == "setup PYTHON=/py\n"


def test_of_the_environment_only_the_mirror_counts_under_its_short_name(make):
    done = make("images", MIRROR="http://m/debian", DEVICE="nvme", KEXEC_BLOCKS="3")
    assert done.stdout.splitlines() == [
        "kexec-harness images,build",
        "KEXEC_BLOCKS=3",
        "KEXEC_MIRROR=http://m/debian",
    ]


def test_every_failure_is_status_2_of_make_and_the_real_one_is_in_its_last_line(make):
    done = make("soak", STATUS=3)
    assert done.returncode == 2
    assert re.search(r"Error 3\n$", done.stderr)


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("doctor", "kexec-harness doctor"),
        ("scenarios", "pytest scenarios,--ignore=scenarios/test_soak.py"),
        ("matrix", "kexec-harness matrix,list\nKEXEC_SELECT=smoke\npytest scenarios/test_soak.py\nKEXEC_SELECT=smoke"),
        ("check", "pytest tests,--numprocesses=auto"),
        ("test", "pytest tests,scenarios,-m,not provoked and not thorough\nKEXEC_BLOCKS=1\nKEXEC_SMP=1"),
        ("report", "kexec-harness report,results/latest"),
    ],
)
def test_every_target_sets_up_what_it_needs_first(make, target, command):
    done = make(target)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{command}\n", "setup PYTHON=\n")


# ---- setup.sh -----------------------------------------------------------------------------------------------


@pytest.fixture
def host(tmp_path):
    """A host with a copy of what setup.sh reads and a few programs; `host.setup()` runs it as a normal user."""

    class Host:
        bin, log, tree = tmp_path / "bin", tmp_path / "log", tmp_path / "tree"

        def setup(self, **env):
            env = {"PATH": self.bin, "PYTHON": self.bin / "py", "LOG": self.log, "NO_ENSUREPIP": 0, **env}
            return call("/bin/sh", "setup.sh", cwd=self.tree, **env)

        def asked(self) -> str:
            return self.log.read_text() if self.log.exists() else ""

    (Host.tree / TOOLS_TABLE).parent.mkdir(parents=True)
    for name in ("setup.sh", "pyproject.toml", "requirements.lock"):
        shutil.copy(PROJECT / name, Host.tree)
    (Host.tree / TOOLS_TABLE).write_text(
        f"# a remark\nno-such-qemu  qemu-system-x86\n{tmp_path}/no,{tmp_path}/neither  ovmf\nno-such-img  qemu-utils\n"
    )
    program(Host.bin / "py", PYTHON)
    program(Host.bin / "id", "echo 1000")
    program(Host.bin / "apt-get", 'echo "apt-get $*" >>"$LOG"')
    for name in (*ESSENTIAL, "tail", "tr"):
        (Host.bin / name).symlink_to(shutil.which(name, path=os.defpath))
    return Host()


def provide(host) -> None:
    for name in ("no-such-qemu", "no-such-img"):
        program(host.bin / name, "")
    (host.bin.parent / "neither").touch()


def test_without_the_right_to_install_the_one_command_is_printed(host):
    done = host.setup(NO_ENSUREPIP=1)
    assert (done.returncode, done.stdout) == (1, "")
    packages = "ovmf python3-venv qemu-system-x86 qemu-utils"
    assert done.stderr == (
        "setup: some packages are missing; as root, run:\n"
        f"  apt-get update && apt-get install --no-install-recommends {packages}\n"
    )
    assert host.asked() == ""


def test_without_apt_the_programs_are_named(host, tmp_path):
    (host.bin / "apt-get").unlink()
    done = host.setup(NO_ENSUREPIP=1)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[1:] == [
        "  no-such-qemu   (on Debian: qemu-system-x86)",
        f"  {tmp_path}/no   (on Debian: ovmf)",
        "  no-such-img   (on Debian: qemu-utils)",
        "  python3-venv",
    ]


def test_root_installs_what_is_missing_and_nothing_else(host):
    program(host.bin / "id", "echo 0")
    provide(host)
    (host.bin / "no-such-qemu").unlink()
    qemu = host.bin / "no-such-qemu"
    installs = f'echo "$*" >>"$LOG"; [ "$1" = update ] || {{ cat {host.bin}/id >{qemu} && chmod +x {qemu}; }}'
    program(host.bin / "apt-get", installs)
    done = host.setup()
    assert done.returncode == 0, done.stderr
    assert host.asked().splitlines()[:2] == ["update", "install -y --no-install-recommends qemu-system-x86"]
    assert "setup: installing qemu-system-x86\n" in done.stderr


def test_sudo_is_used_where_it_asks_for_no_password(host):
    program(host.bin / "sudo", 'echo "sudo $*" >>"$LOG"')
    done = host.setup()
    assert "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install -y " in host.asked()
    assert done.returncode == 1
    assert "setup: still missing after the installation (tool, package):\nno-such-qemu qemu-system-x86\n" in done.stderr


def test_an_installation_that_fails_shows_what_apt_said(host):
    program(host.bin / "id", "echo 0")
    program(host.bin / "apt-get", 'echo "E: Unable to locate package ovmf"; exit 100')
    done = host.setup()
    assert done.returncode == 1
    assert "apt-get update failed; trying with the package lists as they are" in done.stderr
    assert done.stderr.endswith(
        "E: Unable to locate package ovmf\nsetup: apt-get could not install: ovmf qemu-system-x86 qemu-utils\n"
    )


def test_a_python_that_is_none_is_named(host):
    provide(host)
    done = host.setup(PYTHON="/no/python")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "setup: no Python 3.11 or newer at /no/python; name one: PYTHON=/path/to/python3\n"


def test_the_second_time_there_is_nothing_to_do_until_something_changes(host):
    provide(host)
    first = host.setup()
    assert (first.returncode, first.stdout) == (0, "")
    assert first.stderr.endswith("setup: done\n")
    asked = host.asked()
    assert [line.split(" ")[:3] for line in asked.splitlines()] == [
        ["-m", "venv", "--clear"],
        ["-m", "pip", "install"],
        ["-m", "pip", "install"],
    ]
    assert "--require-hashes --requirement requirements.lock" in asked
    second = host.setup()
    assert (second.returncode, second.stdout, second.stderr, host.asked()) == (0, "", "", asked)
    with (host.tree / "requirements.lock").open("a") as lock:
        lock.write("# newer\n")
    assert "setup: installing the locked Python packages\n" in host.setup().stderr
    (host.bin / "no-such-img").unlink()
    assert "apt-get install --no-install-recommends qemu-utils\n" in host.setup().stderr


def test_a_set_up_that_failed_is_tried_again(host):
    provide(host)
    program(host.bin / "py", PYTHON + 'case "$*" in *--editable*) exit 1 ;; esac')
    assert host.setup().returncode == 1
    asked = host.asked()
    assert host.setup().returncode == 1
    assert host.asked() != asked


# ---- mirror -------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A host without any program but those in a folder of its own."""
    monkeypatch.setattr(sys.modules["harness.host.tools"], "ADMIN_FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("http://a/debian|Debian|trixie", "http://a/debian"),
        ("http://a/debian|$(ORIGIN)|bookworm", "http://a/debian"),  # not fetched yet
        ("http://a/ubuntu|Ubuntu|noble\nhttp://b/debian|Debian|sid", "http://b/debian"),
        ("http://a/other||nightly", None),
        ("http://a/debian-security|Debian|trixie-security", None),
        ("http://a/debian|Debian|trixie-updates\nhttp://a/debian|Debian Backports|trixie-backports", None),
        ("", None),
    ],
)
def test_the_mirror_is_the_first_whole_debian_archive_of_apt(targets, expected):
    assert parse_index_targets(targets) == expected


ONE_LINE = """\
deb http://security.example/debian-security trixie-security main
deb [signed-by=/k] http://one.example/debian/ trixie main # remark
"""
DEB822 = """\
Types: deb
URIs: http://off.example/debian
Suites: trixie
Components: main
Enabled: no

Types: deb
URIs: http://deb822.example/debian
Suites: trixie trixie-updates
Components: main
"""


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt is not here to tell which mirror it uses")
@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("one.list", ONE_LINE, "http://one.example/debian/"),
        ("debian.sources", DEB822, "http://deb822.example/debian/"),
    ],
    ids=["one-line", "deb822"],
)
def test_a_mirror_that_apt_has_fetched_nothing_from_yet_is_found(monkeypatch, tmp_path, name, text, expected):
    program(tmp_path / "parts" / name, "").write_text(text)
    (tmp_path / "apt.conf").write_text(
        f'Dir::Etc {{ SourceList "/dev/null"; SourceParts "{tmp_path}/parts"; }} Dir::State::Lists "{tmp_path}/lists";'
    )
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    assert apt_mirror() == expected


def test_what_is_fetched_and_no_debian_is_not_taken_for_an_unknown_one(bare):
    program(
        bare / "apt-get",
        'case $* in *--no-rel*) echo "http://x|\\$(ORIGIN)|stable" ;; *) echo "http://x|X|stable" ;; esac',
    )
    with pytest.raises(InfraError, match="no Debian mirror"):
        apt_mirror()


def test_without_a_mirror_no_image_is_begun(bare, monkeypatch, tmp_path):
    bare.mkdir()
    for name in PACKAGE_TOOLS:
        (bare / name).symlink_to(shutil.which(name, path=os.defpath))
    recipe = load_recipe(PROJECT / "images", "debian-13")
    with pytest.raises(InfraError) as caught:
        ensure(recipe, images_dir=PROJECT / "images", cache_dir=tmp_path, mirror=None, progress=pytest.fail)
    assert str(caught.value) == (
        "no Debian mirror: this host's apt is set up with none\n  name a mirror of Debian: MIRROR=http://HOST/debian"
    )


@pytest.mark.parametrize(
    ("snapshot", "named", "message"),
    [
        (None, "mirror.example", "^MIRROR: 'mirror.example' is not an address of a mirror\n.*MIRROR=http://"),
        (None, "http://m/{snapshot}", "^MIRROR: has {snapshot} in it, but debian-13 asks for no snapshot"),
        ("20251101T000000Z", "http://m/debian", "^debian-13: snapshot: .* are on no ordinary mirror\n"),
        ("20251101T000000Z", None, "^debian-13: snapshot: .*\n.*MIRROR=http://HOST/archive/debian/{snapshot}"),
    ],
)
def test_a_mirror_that_does_not_fit_the_recipe(snapshot, named, message):
    recipe = msgspec.structs.replace(load_recipe(PROJECT / "images", "debian-13"), snapshot=snapshot)
    with pytest.raises(ConfigError, match=message):
        choose_mirror(recipe, named)


def test_a_snapshot_is_filled_into_the_mirrors_address():
    recipe = msgspec.structs.replace(load_recipe(PROJECT / "images", "debian-13"), snapshot="20251101T000000Z")
    assert choose_mirror(recipe, "http://m/{snapshot}/debian") == "http://m/20251101T000000Z/debian"
