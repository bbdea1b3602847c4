"""kexec-load as it is shipped: what `make install` puts where, and the Debian package."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
from pathlib import Path

import pytest
from kexec_load_machine import SOURCE, Machine

UNITS = ("kexec-load.service", "kexec-load-confirm.service")
HOOK = "usr/lib/systemd/system-shutdown/kexec-load.shutdown"


def make(*arguments: str | Path) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--silent", "-C", SOURCE, *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    tree = tmp_path_factory.mktemp("installed")
    make("install", f"DESTDIR={tree}")
    return tree


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    return Path(make("deb", f"BUILD={tmp_path_factory.mktemp('build')}").strip())


@pytest.fixture(scope="module")
def unpacked(package) -> Path:
    tree = package.parent / "unpacked"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    return tree


def field(package: Path, name: str) -> str:
    command = ["dpkg-deb", "--field", package, name]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def run_script(tree: Path, name: str, argument: str, root: Path) -> list[str]:
    """Run a maintainer script on a fake root; what it asked of systemd's helpers."""
    tools = root / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    for tool in ("systemctl", "deb-systemd-helper", "deb-systemd-invoke"):
        path = tools / tool
        path.write_text('#!/bin/sh\necho "${0##*/} $*" >>"$CALLS"\n', "utf-8")
        path.chmod(0o755)
    calls = root / "calls"
    env = {"PATH": f"{tools}:{os.environ['PATH']}", "DPKG_ROOT": str(root), "CALLS": str(calls)}
    subprocess.run(["sh", tree / "DEBIAN" / name, argument], env=env, check=True)
    return calls.read_text("utf-8").splitlines() if calls.exists() else []


def test_what_the_units_run_is_installed(installed):
    for unit in UNITS:
        text = (installed / "usr/lib/systemd/system" / unit).read_text("utf-8")
        programs = re.findall(r"^Exec\w+=(\S+)", text, re.MULTILINE)
        assert programs
        for program in programs:
            assert program == "/bin/true" or os.access(installed / program.lstrip("/"), os.X_OK)
    assert os.access(installed / HOOK, os.X_OK)


def test_the_installed_parts_are_all_that_it_needs(installed, tmp_path):
    machine = Machine(tmp_path)
    machine.extra["KEXEC_LOAD_LIB"] = str(installed / "usr/lib/kexec-load")
    assert machine.load().startswith("loaded ")
    assert "/usr/lib/kexec-load" in (installed / "usr/sbin/kexec-load").read_text("utf-8")


def test_uninstall_leaves_no_file(tmp_path):
    make("install", f"DESTDIR={tmp_path}")
    make("uninstall", f"DESTDIR={tmp_path}")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_load_comes_after_whatever_may_still_install_a_kernel_or_start_one():
    service = (SOURCE / "kexec-load.service").read_text("utf-8")
    stopped_before = set(" ".join(re.findall(r"^Before=(.+)$", service, re.MULTILINE)).split())
    assert {"unattended-upgrades.service", "apt-daily-upgrade.service", "kexec.service"} <= stopped_before


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["st"], "status"),
        ([""], "load check status skip unskip reset"),
        (["skip", ""], ""),
        (["check", ""], "--json"),
        (["status", "--json", ""], ""),
        (["$(touch pwned)"], ""),
    ],
)
def test_completion_offers_what_can_stand_there(words, offered, tmp_path):
    script = f'source {SOURCE}/kexec-load.completion\nCOMP_WORDS=(kexec-load "$@") COMP_CWORD=$#\n_kexec_load\n'
    command = ["bash", "-c", script + 'echo "${COMPREPLY[@]}"', "bash", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == (offered, "")
    assert list(tmp_path.iterdir()) == []


def test_the_service_gives_more_time_than_a_load_may_take():
    service = (SOURCE / "kexec-load.service").read_text("utf-8")
    stop = int(re.search(r"^TimeoutStopSec=(\d+)s$", service, re.MULTILINE)[1])
    longest = int(
        re.search(r"^LONGEST_LOAD_TIMEOUT=(\d+)$", (SOURCE / "lib/config.sh").read_text("utf-8"), re.MULTILINE)[1]
    )
    cleanup = int(re.search(r"^CLEANUP_SECONDS=(\d+)$", (SOURCE / "kexec-load").read_text("utf-8"), re.MULTILINE)[1])
    assert longest + cleanup + 5 <= stop


def test_the_package_is_the_same_bytes_each_time(package, tmp_path):
    again = Path(make("deb", f"BUILD={tmp_path}").strip())
    assert again.read_bytes() == package.read_bytes()
    assert sorted(tmp_path.iterdir()) == [again]


def test_the_package_holds_what_make_install_installs_and_its_papers(installed, unpacked):
    def files(tree: Path) -> set[str]:
        return {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}

    papers = {"usr/share/doc/kexec-load/changelog.gz", "usr/share/doc/kexec-load/copyright"}
    packed = {name for name in files(unpacked) if not name.startswith("DEBIAN/")}
    assert packed == {re.sub(r"(/man8/.*)", r"\1.gz", name) for name in files(installed)} | papers


def test_everything_in_the_package_is_roots_and_writable_by_nobody_else(package):
    command = ["dpkg-deb", "--contents", package]
    rows = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {row.split()[1] for row in rows} == {"root/root"}
    assert {row.split()[0] for row in rows} == {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x"}


def test_the_package_says_what_it_is(package, unpacked):
    assert field(package, "Package") == "kexec-load"
    assert field(package, "Depends") == "kexec-tools, systemd (>= 247)"
    changelog = gzip.decompress((unpacked / "usr/share/doc/kexec-load/changelog.gz").read_bytes()).decode()
    assert changelog.startswith(f"kexec-load ({field(package, 'Version')}) ")
    assert (unpacked / "DEBIAN/conffiles").read_text("utf-8") == "/etc/default/kexec-load\n"
    copyright_file = (unpacked / "usr/share/doc/kexec-load/copyright").read_text("utf-8")
    assert "License: Expat\n Permission is hereby granted" in copyright_file


def test_the_sums_in_the_package_are_right(unpacked):
    subprocess.run(["md5sum", "--check", "--quiet", "DEBIAN/md5sums"], cwd=unpacked, check=True)


def test_installing_puts_both_units_in_service(unpacked, tmp_path):
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    calls = run_script(unpacked, "postinst", "configure", tmp_path)
    assert {f"deb-systemd-helper enable {unit}" for unit in UNITS} <= set(calls)
    assert not (tmp_path / "usr/lib/systemd").exists()


def test_without_merged_usr_the_hook_is_where_an_old_systemd_looks_and_removal_takes_it_away(unpacked, tmp_path):
    (tmp_path / "lib").mkdir()
    run_script(unpacked, "postinst", "configure", tmp_path)
    hook = tmp_path / "lib/systemd/system-shutdown/kexec-load.shutdown"
    assert str(hook.readlink()) == f"/{HOOK}"
    run_script(unpacked, "prerm", "upgrade", tmp_path)
    assert hook.is_symlink()
    run_script(unpacked, "prerm", "remove", tmp_path)
    assert [path for path in (tmp_path / "lib").rglob("*") if not path.is_dir()] == []


@pytest.mark.parametrize(("argument", "kept"), [("remove", True), ("upgrade", True), ("purge", False)])
def test_purge_and_nothing_else_leaves_nothing(unpacked, tmp_path, argument, kept):
    state = [tmp_path / name for name in ("var/lib/kexec-load/note", "etc/default/kexec-load.d/a.conf")]
    for path in state:
        path.parent.mkdir(parents=True)
        path.touch()
    calls = run_script(unpacked, "postrm", argument, tmp_path)
    assert [path.exists() for path in state] == [kept, kept]
    assert (f"deb-systemd-helper purge {' '.join(UNITS)}" in calls) == (not kept)
