"""Faults: each is whole, documented, and together they cover the classes of failure."""

from __future__ import annotations

import re
import subprocess

import pytest
from paths import PROJECT

from harness import faults as folder_of_faults
from harness.faults.base import Fault, Target
from harness.faults.code import OOPS, SPIN_TICKS, oops, spin, spin_deaf, warn
from harness.lab import methods
from harness.model import FailureClass, Outcome
from harness.registry import members
from harness.selftest.session import all_faults
from harness.selftest.summary import markdown

FAULTS = all_faults()
DOCUMENT = PROJECT / "docs" / "faults.md"
#: docs/faults.md, "Not injected"
NOT_INJECTED = {
    FailureClass.HARD_LOCKUP,
    FailureClass.KVM_INTERNAL_ERROR,
    FailureClass.DIED_AFTER_READY,
    FailureClass.INTERRUPTED,
}


def test_there_is_a_fault_for_every_failure_class_that_can_be_provoked_here():
    injected = {fault.classes[0] for fault in FAULTS.values() if fault.classes}
    assert set(FailureClass) - injected == NOT_INJECTED


def test_there_is_a_fault_for_every_target():
    assert {fault.target for fault in FAULTS.values()} == set(Target)


def test_everybodys_tests_inject_a_handful():
    assert 4 <= sum(fault.quick for fault in FAULTS.values()) <= 8


def test_each_file_has_the_name_of_its_fault():
    for name, module in members(folder_of_faults).items():
        assert module.__name__.rpartition(".")[2] == name.replace("-", "_") == module.FAULT.name.replace("-", "_")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_fault_is_whole(fault: Fault):
    assert fault.method in methods()
    assert fault.prepare or fault.sabotage or fault.words or fault.act or fault.reactions or fault.kernel
    # Words go through a sed script, and only this method has a place for them.
    assert not fault.words or (fault.method == "kexec" and not re.search(r"[\"|&\\]", fault.words))
    assert fault.outcome is not Outcome.INVALID or fault.classes == (FailureClass.INFRASTRUCTURE,)
    assert all((PROJECT / "images" / f"{image}.toml").is_file() for image in fault.images)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_guest_scripts_are_shell(fault: Fault):
    for script in (fault.prepare, fault.sabotage):
        done = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        for body in re.findall(r"<<'END'\n(#!/bin/sh\n.*?\n)END\n", script, flags=re.DOTALL):
            inner = subprocess.run(["sh", "-n"], input=body, capture_output=True, text=True, check=False)
            assert inner.returncode == 0, inner.stderr


def test_the_document_has_a_row_for_every_fault(request):
    text = DOCUMENT.read_text("utf-8")
    before, rest = text.split("<!-- faults -->\n")
    _, after = rest.split("<!-- end -->\n")
    wanted = f"{before}<!-- faults -->\n{markdown(list(FAULTS.values()))}<!-- end -->\n{after}"
    if request.config.getoption("--update-golden"):
        DOCUMENT.write_text(wanted, "utf-8")
    assert DOCUMENT.read_text("utf-8") == wanted


def test_machine_code_carries_the_addresses_it_was_given():
    victim, helper = 0xFFFFFFFF81234560, 0xFFFFFFFF8109ABC0
    assert oops(victim, helper) == OOPS
    assert warn(victim, helper) == bytes.fromhex(
        "4883ec08"  # sub $8, %rsp
        "31ff31f6"  # xor %edi, %edi; xor %esi, %esi
        "48ba60452381ffffffff"  # movabs victim, %rdx
        "b909000000"  # mov $9, %ecx
        "4531c04531c9"  # xor %r8d, %r8d; xor %r9d, %r9d
        "48b8c0ab0981ffffffff"  # movabs helper, %rax
        "ffd031c0"  # call *%rax; xor %eax, %eax
        "4883c408c3"  # add $8, %rsp; ret
    )


def test_machine_code_that_spins_reads_the_clock_until_its_time_is_over():
    assert spin(0, 0) == bytes.fromhex(
        "0f3148c1e2204809d0"  # rdtsc; shl $32, %rdx; or %rdx, %rax
        f"48b9{SPIN_TICKS.to_bytes(8, 'little').hex()}4801c1"  # movabs ticks, %rcx; add %rax, %rcx
        "f390"  # again: pause
        "0f3148c1e2204809d0"  # rdtsc; shl $32, %rdx; or %rdx, %rax
        "4839c872f0"  # cmp %rcx, %rax; jb again
        "31c0c3"  # xor %eax, %eax; ret
    )
    assert spin_deaf(0, 0) == bytes.fromhex("9cfa") + spin(0, 0)[:-1] + bytes.fromhex("9dc3")
