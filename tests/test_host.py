"""What this host can do: the accelerator is proven and never believed, and what is missing is named with its mend."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from paths import PROJECT

from harness.errors import ConfigError, ImageError, InfraError, ToolMissing
from harness.host import (
    QemuBinary,
    Status,
    accel,
    doctor,
    find_qemu,
    find_tool,
    firmware,
    firmware_files,
    missing_packages,
    offers,
    probe_accel,
    tools,
)
from harness.model import Accel, Firmware

# The package's functions of the same names hide these modules.
TOOLS, DOCTOR = sys.modules["harness.host.tools"], sys.modules["harness.host.doctor"]

#: what the probe guest's init does with the nonce of the kernel's command line; the machine would go on after it
PROVE = 'for word; do case $word in *nonce=*) echo "kexec-harness-probe ${word##*=}" ;; esac; done; exec sleep 20'
LONG_S, SHORT_S = 20, 0.2


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def qemu(tmp_path):
    """A QEMU that does what a shell script says. Each start adds a line with its process id to `started`."""

    def make(script, version="7.2.0"):
        says_version = f'[ "$1" != --version ] || {{ echo "QEMU emulator version {version} (Debian)"; exit; }}'
        path = program(tmp_path / "qemu", f"{says_version}\necho $$ >>{tmp_path}/started\n{script}")
        return QemuBinary(path, version)

    return make


@pytest.fixture
def choose(tmp_path):
    """Chooses the accelerator, with an ordinary file as /dev/kvm."""
    (tmp_path / "kvm").touch()

    def probe(qemu, request="auto", deadline_s=LONG_S):
        kit = (tmp_path / "vmlinuz", tmp_path / "initrd.img")
        return probe_accel(request, qemu, *kit, tmp_path / "cache", deadline_s=deadline_s, kvm_device=tmp_path / "kvm")

    return probe


def started(tmp_path: Path) -> list[str]:
    path = tmp_path / "started"
    return path.read_text().split() if path.exists() else []


# ---- accelerator --------------------------------------------------------------------------------------------


def test_kvm_is_used_once_a_guest_was_seen_to_boot(qemu, choose, tmp_path):
    began = time.monotonic()
    choice = choose(qemu(PROVE))
    assert time.monotonic() - began < 10
    assert (choice.accel, choice.proven) == (Accel.KVM, True)
    assert choice.reason.startswith("KVM works: a guest booted to its userspace in ")
    [pid] = started(tmp_path)
    assert not Path(f"/proc/{pid}").exists(), "the probe goes on after it was answered"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exec sleep 20", "the guest printed nothing within 0 s"),
        ("echo Booting; exec sleep 20", "the guest did not come up within 0 s (last line: Booting)"),
        ("echo no KVM >&2; kill -ABRT $$", "QEMU was killed by signal 6: no KVM"),
        ("echo one; echo two; exit 1", "QEMU ended with status 1: two"),
        ("exit 0", "QEMU ended with status 0"),
        (r"printf '\033[2Jcleared\n'; exit 1", "QEMU ended with status 1: ?[2Jcleared"),
        ("exec yes", "the guest did not come up within "),
        ('echo "Command line: $*"; exit 1', "QEMU ended with status 1: "),
        ("echo kexec-harness-probe 0123; exit 1", "QEMU ended with status 1: kexec-harness-probe 0123"),
    ],
    ids=["silent", "hangs", "aborts", "fails", "ends", "escapes", "floods", "echoes", "imitates"],
)
def test_without_proof_all_is_emulated_and_one_line_says_why(qemu, choose, tmp_path, script, why):
    began = time.monotonic()
    choice = choose(qemu(script), deadline_s=SHORT_S if "sleep" in script else LONG_S)
    assert time.monotonic() - began < 10
    assert (choice.accel, choice.proven) == (Accel.TCG, False)
    assert choice.reason.startswith(f"KVM does not work here: {why}")
    assert choice.reason.isprintable()
    [pid] = started(tmp_path)
    assert not Path(f"/proc/{pid}").exists(), "QEMU was left running"


def test_a_qemu_that_cannot_be_started_is_no_kvm(tmp_path, choose):
    (tmp_path / "qemu").write_bytes(b"no program")
    choice = choose(QemuBinary(tmp_path / "qemu", "7.2.0"))
    assert choice.accel is Accel.TCG
    assert "qemu: Permission denied" in choice.reason


def test_without_a_kvm_device_nothing_is_booted(qemu, choose, tmp_path):
    (tmp_path / "kvm").unlink()
    assert choose(qemu(PROVE)).reason == f"KVM does not work here: no {tmp_path}/kvm"
    assert started(tmp_path) == []


def test_without_the_right_to_use_kvm_the_group_is_named(qemu, choose, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    reason = choose(qemu(PROVE)).reason
    assert reason == f"KVM does not work here: no permission to use {tmp_path}/kvm (is this user in the group kvm?)"
    assert started(tmp_path) == []


def test_kvm_that_was_asked_for_and_does_not_work_is_an_error(qemu, choose):
    with pytest.raises(InfraError) as caught:
        choose(qemu("exit 1"), "kvm")
    assert str(caught.value) == (
        "KVM was asked for and does not work here: QEMU ended with status 1\n"
        "  use ACCEL=auto or ACCEL=tcg, or a host that KVM works on"
    )


def test_tcg_that_was_asked_for_needs_no_probe(qemu, choose, tmp_path):
    assert choose(qemu(PROVE), "tcg").reason == "TCG was asked for"
    assert started(tmp_path) == []


@pytest.mark.parametrize("script", [PROVE, "exit 1"], ids=["works", "fails"])
def test_the_answer_is_kept(qemu, choose, tmp_path, script):
    binary = qemu(script)
    assert choose(binary) == choose(binary)
    assert len(started(tmp_path)) == 1


@pytest.mark.parametrize("change", ["boot", "version", "binary", "rights", "answer"])
def test_the_answer_is_kept_for_this_boot_this_qemu_and_these_rights_only(qemu, choose, monkeypatch, tmp_path, change):
    binary = qemu("exit 1")
    assert choose(binary).accel is Accel.TCG
    match change:
        case "boot":
            (tmp_path / "boot_id").write_text("another boot\n")
            monkeypatch.setattr(accel, "BOOT_ID", tmp_path / "boot_id")
        case "version":
            binary = QemuBinary(binary.path, "7.2.1")
        case "binary":
            qemu("exit 1 # rebuilt")
        case "rights":
            (tmp_path / "kvm").chmod(0o600)
        case "answer":
            [answer] = (tmp_path / "cache/accel").iterdir()
            answer.write_text("torn")
    assert choose(binary).accel is Accel.TCG
    assert len(started(tmp_path)) == 2


def test_a_cache_that_cannot_be_written_costs_a_probe_and_nothing_else(qemu, choose, tmp_path):
    (tmp_path / "cache").touch()
    binary = qemu("exit 1")
    assert choose(binary) == choose(binary)
    assert len(started(tmp_path)) == 2


# ---- QEMU, programs, firmware -------------------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A host without any program but those in a folder of its own."""
    monkeypatch.setattr(TOOLS, "ADMIN_FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def test_qemu_that_is_not_installed_is_named_with_its_package(bare):
    with pytest.raises(ToolMissing) as caught:
        find_qemu("x86_64")
    assert str(caught.value) == (
        "qemu-system-x86_64: no such program on this host\n  install it: apt-get install qemu-system-x86"
    )


def test_qemu_is_the_named_one_or_else_that_of_the_path(bare, qemu, tmp_path):
    on_path = program(bare / "qemu-system-x86_64", 'echo "QEMU emulator version 10.0.2"')
    assert find_qemu("x86_64") == QemuBinary(on_path, "10.0.2")
    assert find_qemu("x86_64", str(qemu("", "9.1").path)) == QemuBinary(tmp_path / "qemu", "9.1")


def test_a_named_qemu_that_is_none(bare, tmp_path):
    with pytest.raises(ConfigError, match=r"^qemu: /no/qemu is no program that can be run\n  QEMU= names "):
        find_qemu("x86_64", "/no/qemu")
    path = program(tmp_path / "other", "echo broken library >&2; exit 127")
    with pytest.raises(InfraError, match=f"^{path} --version failed: broken library\n  QEMU= names "):
        find_qemu("x86_64", str(path))
    path = program(tmp_path / "third", "echo hello")
    with pytest.raises(InfraError, match=f"^{path} does not say which version it is: hello\n  QEMU= names "):
        find_qemu("x86_64", str(path))


def test_a_qemu_that_cannot_list_its_devices_is_broken_and_not_poor(tmp_path):
    path = program(tmp_path / "qemu", "echo modules of another build >&2; exit 1")
    with pytest.raises(InfraError, match=f"^{path} -device help failed: modules of another build\n"):
        offers(QemuBinary(path, "10.0.2"), "-device")


def test_every_program_of_the_table_has_a_package_and_is_named_when_it_is_missing(bare):
    table = (PROJECT / "harness/host/tools.txt").read_text()
    packages = {line.split()[1] for line in table.splitlines() if not line.startswith("#") and line[0] != "/"}
    assert {"qemu-system-x86", "mmdebstrap", "util-linux"} <= packages
    assert packages <= set(missing_packages())


def test_programs_of_administrators_and_alternative_files_are_found(bare, monkeypatch, tmp_path):
    (tmp_path / "table").write_text(
        f"# a remark\nsfdisk fdisk\n{tmp_path}/none,{tmp_path}/table firmware\n{tmp_path}/none none\n"
    )
    monkeypatch.setattr(TOOLS, "TABLE", tmp_path / "table")
    assert missing_packages() == ["fdisk", "none"]
    monkeypatch.setattr(TOOLS, "ADMIN_FOLDERS", (str(tmp_path / "sbin"),))
    sfdisk = program(tmp_path / "sbin/sfdisk", "")
    assert find_tool("sfdisk") == sfdisk
    assert tools() == {
        "sfdisk": sfdisk,
        f"{tmp_path}/none,{tmp_path}/table": tmp_path / "table",
        f"{tmp_path}/none": None,
    }


@pytest.fixture
def describe(monkeypatch, tmp_path):
    """Describes firmware as QEMU's packages do, on a host whose firmware is at no known place."""
    monkeypatch.setattr(firmware, "KNOWN_PAIRS", ())

    def write(name, features=(), arch="x86_64", there=True):
        code, variables = tmp_path / f"{name}.code", tmp_path / f"{name}.vars"
        for path in (code, variables) if there else ():
            path.touch()
        raw = {"format": "raw"}
        content = {
            "interface-types": ["uefi"],
            "mapping": {
                "device": "flash",
                "executable": {"filename": str(code), **raw},
                "nvram-template": {"filename": str(variables), **raw},
            },
            "targets": [{"architecture": arch, "machines": ["pc-q35-*"]}],
            "features": list(features),
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(content))

    return write


def test_ovmf_is_the_first_described_one_that_is_there_and_without_secure_boot(describe, tmp_path):
    describe("10-secure", features=["secure-boot"])
    describe("20-arm", arch="aarch64")
    describe("30-gone", there=False)
    (tmp_path / "40-broken.json").write_text("{")
    (tmp_path / "41-odd.json").write_text('{"mapping": 1, "interface-types": ["uefi"]}')
    describe("50-good", features=["acpi-s3"])
    describe("60-late")
    files = firmware_files(Firmware.OVMF, [tmp_path / "none", tmp_path])
    assert (files.code, files.vars) == (tmp_path / "50-good.code", tmp_path / "50-good.vars")


def test_secure_boot_takes_a_firmware_that_enforces_it_and_has_its_keys(describe, monkeypatch, tmp_path):
    monkeypatch.setattr(firmware, "KNOWN_SECURE_PAIRS", ())
    describe("10-plain")
    describe("20-no-keys", features=["secure-boot", "requires-smm"])
    with pytest.raises(InfraError, match="OVMF with secure boot is not installed on this host"):
        firmware_files(Firmware.OVMF_SECBOOT, [tmp_path])
    describe("30-secure", features=["acpi-s3", "secure-boot", "requires-smm", "enrolled-keys"])
    assert firmware_files(Firmware.OVMF_SECBOOT, [tmp_path]).code == tmp_path / "30-secure.code"


def test_ovmf_at_a_known_place_needs_no_description(describe, monkeypatch, tmp_path):
    describe("10-described")
    pairs = [(tmp_path / f"{name}-code", tmp_path / f"{name}-vars") for name in ("half", "whole")]
    for path in (pairs[0][0], *pairs[1]):
        path.touch()
    monkeypatch.setattr(firmware, "KNOWN_PAIRS", pairs)
    files = firmware_files(Firmware.OVMF, [tmp_path])
    assert (files.code, files.vars) == pairs[1]


def test_without_ovmf_its_package_is_named_and_seabios_needs_nothing(describe, tmp_path):
    with pytest.raises(InfraError, match="OVMF is not installed on this host\n  install it: apt-get install ovmf"):
        firmware_files(Firmware.OVMF, [tmp_path])
    assert firmware_files(Firmware.SEABIOS, [tmp_path]) == firmware.FirmwareFiles(None, None)


# ---- doctor -------------------------------------------------------------------------------------------------


@pytest.fixture
def findings(qemu, monkeypatch, tmp_path):
    """Asks the doctor, on a host with a stand-in for QEMU and a file as /dev/kvm; findings by name."""
    (tmp_path / "kvm").touch()
    monkeypatch.setitem(probe_accel.__kwdefaults__, "kvm_device", tmp_path / "kvm")

    def ask(script="exit 1", probe_kit=lambda: (Path("vmlinuz"), Path("initrd")), mirror="http://m/debian", **folders):
        folders = {"cache_dir": tmp_path / "cache", "results_dir": tmp_path / "results", **folders}
        found = doctor(probe_kit=probe_kit, mirror=mirror, qemu_binary=str(qemu(script).path), **folders)
        return {finding.name: finding for finding in found}

    return ask


def test_doctor_looks_at_everything_a_soak_needs(findings):
    found = findings(PROVE)
    assert list(found) == [
        *("tools", "qemu", "accelerator", "firmware seabios", "firmware ovmf"),
        *("firmware ovmf-secboot", "image building", "mirror"),
        *("cores", "memory", "disk space, cache", "disk space, results"),
    ]
    assert found["qemu"].value.startswith("7.2.0 (/")
    assert found["accelerator"].value.startswith("kvm; KVM works: a guest booted to its userspace in ")
    assert found["mirror"].value == "http://m/debian"
    assert {found[name].status for name in ("qemu", "accelerator", "firmware seabios", "mirror")} == {Status.OK}
    assert all(finding.consequence and "\n" not in finding.value for finding in found.values())


def test_doctor_warns_of_emulation_and_fails_where_nothing_boots(findings):
    warned = findings(f'case "$*" in *"-accel kvm"*) exit 1 ;; esac; {PROVE}')["accelerator"]
    assert warned.status is Status.WARN
    assert warned.value.startswith("tcg; a guest booted to its userspace in ")
    assert warned.value.endswith("KVM does not work here: QEMU ended with status 1")
    assert warned.consequence.startswith("everything is emulated: a reboot takes 20 to 50 s")
    failed = findings("exit 2")["accelerator"]
    assert (failed.status, failed.consequence) == (Status.FAIL, "no machine boots on this host")


def no_kit():
    raise ImageError("no kernel to boot", mend="name a mirror")


def test_doctor_says_what_is_missing_and_what_to_do(findings, describe, bare, monkeypatch, tmp_path):
    monkeypatch.setattr(firmware_files, "__defaults__", ((tmp_path,),))
    found = findings(probe_kit=no_kit, mirror=None)
    assert found["tools"].status is Status.FAIL
    assert "qemu-system-x86 " in found["tools"].value
    assert "apt-get install " in found["tools"].consequence
    assert (found["accelerator"].value, found["accelerator"].consequence) == ("no kernel to boot", "name a mirror")
    assert found["firmware ovmf"].consequence == "FIRMWARE=ovmf is not possible; install it: apt-get install ovmf"
    assert found["image building"].consequence == "install it: apt-get install mmdebstrap"
    assert found["mirror"].consequence.startswith("only built images can be used; name a mirror of Debian: MIRROR=")
    assert {found[name].status for name in ("firmware ovmf", "image building", "mirror")} == {Status.WARN}


def test_doctor_without_qemu(bare, tmp_path):
    found = {finding.name: finding for finding in doctor(cache_dir=tmp_path, results_dir=tmp_path, probe_kit=no_kit)}
    assert (found["qemu"].status, found["qemu"].consequence) == (Status.FAIL, "no machine can be started")
    assert found["qemu"].value == "qemu-system-x86_64: no such program on this host"
    assert "accelerator" not in found


def test_doctor_looks_for_room_where_the_folders_will_be(findings, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 30))
    found = findings(cache_dir=tmp_path / "not/there/yet", results_dir=tmp_path / "file/results")
    room, refused = found["disk space, cache"], found["disk space, results"]
    assert (room.status, room.value) == (Status.WARN, f"1024 MiB free in {tmp_path}/not/there/yet")
    assert room.consequence.startswith("4096 MiB are wanted; make room, or choose another folder: KEXEC_CACHE_DIR=")
    assert (refused.status, refused.value) == (Status.FAIL, f"{tmp_path}/file cannot be written to")
    assert refused.consequence == "choose another folder: KEXEC_RESULTS=..."


def test_doctor_counts_machines_that_fit_into_memory(findings, monkeypatch):
    for mib, status, expected in (
        (3200, Status.OK, "room for 2 machines "),
        (1000, Status.FAIL, "room for 0 machines "),
    ):
        monkeypatch.setattr(DOCTOR, "available_memory_mib", lambda mib=mib: mib)
        memory = findings()["memory"]
        assert (memory.status, memory.value) == (status, f"{mib} MiB available")
        assert memory.consequence.startswith(expected)
