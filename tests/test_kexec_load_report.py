"""What `kexec-load check` and `kexec-load status` tell of the next reboot, to people and to programs."""

from __future__ import annotations

import json

import pytest
from kexec_load_machine import INITRD, KERNEL


def test_check_is_a_dry_run_with_an_exit_status(any_machine):
    machine = any_machine
    yes = machine.run("check")
    assert (yes.returncode, yes.stdout) == (0, f"would kexec {KERNEL} (KERNEL= in the settings)\n")
    machine.run("skip")
    no = machine.run("check")
    assert (no.returncode, no.stdout) == (1, "would stand aside: asked to skip (/run/kexec-load/skip)\n")
    assert machine.calls == []
    assert machine.kernel_log == ""


def test_status_says_what_the_next_reboot_would_be(machine):
    assert machine.run("status").stdout.splitlines() == [
        f"next reboot: kexec of {KERNEL} (KERNEL= in the settings)",
        f"initrd: {INITRD}",
        "command line: root=LABEL=root ro quiet",
    ]
    machine.run("skip")
    assert machine.run("status").stdout == "next reboot: normal (asked to skip (/run/kexec-load/skip))\n"


def test_without_the_running_service_the_next_reboot_is_a_normal_one(any_machine):
    machine = any_machine
    machine.path("/run/systemd/system").mkdir(parents=True)
    assert machine.run("check").returncode == 0
    machine.program("systemctl", '#!/bin/sh\n[ "$*" != "is-active --quiet kexec-load.service" ]\n')
    done = machine.run("check")
    assert done.returncode == 1
    assert done.stdout.startswith("would stand aside: kexec-load.service is not running; ")


def test_status_warns_of_an_image_that_is_loaded_already(machine):
    machine.write("/sys/kernel/kexec_loaded", "1\n")
    assert machine.run("status").stdout.splitlines()[-1].startswith("loaded now: an image of somebody else; ")
    machine.load()
    assert "loaded now" not in machine.run("status").stdout


def test_programs_get_the_same_as_one_object_on_one_line(any_machine):
    machine = any_machine
    done = machine.run("check", "--json")
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    assert json.loads(done.stdout) == {
        "kexec": True,
        "reason": "KERNEL= in the settings",
        "kernel": KERNEL,
        "initrds": [INITRD],
        "command_line": "root=LABEL=root ro quiet",
    }
    machine.run("skip")
    done = machine.run("check", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "kexec": False,
        "reason": "asked to skip (/run/kexec-load/skip)",
        "kernel": "",
        "initrds": [],
        "command_line": "",
    }


def test_programs_get_the_last_attempts(any_machine):
    machine = any_machine
    assert json.loads(machine.run("status", "--json").stdout)["attempts"] == []
    machine.write("/var/lib/kexec-load/history", f"2026-01-01T00:00:00Z failed {KERNEL}\nTIME came-up /a b\n")
    machine.load()
    status = json.loads(machine.run("status", "--json").stdout)
    assert status["unsettled"] == KERNEL
    assert status["attempts"] == [
        {"time": "2026-01-01T00:00:00Z", "outcome": "failed", "kernel": KERNEL},
        {"time": "TIME", "outcome": "came-up", "kernel": "/a b"},
    ]


@pytest.mark.parametrize("name", ['"', "\\", "a\\", '","kexec":false,"', "$(touch pwned)", "\u00fc", "%s", "\t"])
def test_hostile_names_stay_inside_their_strings(any_machine, name):
    machine = any_machine
    machine.write(f"/boot/{name}", machine.path(KERNEL).read_bytes())
    machine.config("")
    quoted = name.replace('"', '\\"')
    machine.config(f"KERNEL='/boot/{name}' APPEND='root=LABEL=root {name}'\n")
    machine.write("/var/lib/kexec-load/history", f"{name} {name} {name}\n{quoted}\n")
    seen = json.loads(machine.run("status", "--json").stdout)
    assert seen["kexec"] is (name != "\t")
    expected = "??" if name == "\u00fc" else name
    assert seen["kernel"] == ("" if name == "\t" else f"/boot/{expected}")
    assert len(seen["attempts"]) == 2
    assert list(machine.folder.rglob("pwned")) == []
