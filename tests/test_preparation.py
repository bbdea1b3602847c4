"""The boot that prepares a disk of the user's own, from recordings: how it ends, and what is said if it goes wrong."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_disks import OFF, failed, prepared, step

from harness.errors import ImageError
from harness.images.preparation import watch_preparation
from harness.images.seed import SEED_READ
from harness.model import AgentMessage, ConsoleData, Event, ProcessExit
from harness.qemu.replay import ReplayMachine


def watch(*events: Event) -> tuple[object, list[str]]:
    heard: list[str] = []
    return watch_preparation(ReplayMachine(list(events)), "x.qcow2", heard.append), heard


def test_a_guest_that_is_done_says_what_its_next_boot_is():
    found, heard = watch(ConsoleData(1.0, "Linux version\n"), step(SEED_READ), prepared(), OFF)
    assert found == msgspec.convert(
        {
            "system": "Debian GNU/Linux 13",
            "kernel_bytes": 4096,
            "initrd_bytes": 8,
            "cmdline": "root=/dev/vda1 ro console=ttyS0,115200",
            "stands_aside": None,
        },
        type(found),
    )
    assert heard == [f"x.qcow2: {SEED_READ}"]


def test_where_kexec_load_stands_aside_the_running_command_line_counts():
    refused = {"kexec": False, "reason": "grub.cfg has 'foo'", "kernel": "", "initrds": [], "command_line": ""}
    found, _ = watch(prepared(cmdline="BOOT_IMAGE=/vmlinuz ro console=ttyS0", next=refused), OFF)
    assert (found.cmdline, found.stands_aside) == ("ro console=ttyS0", "grub.cfg has 'foo'")


LATE = ConsoleData(4000.0, "")


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        (
            [ConsoleData(1.0, "\nguest login: "), LATE],
            "the system came up, and its cloud-init has not read the seed disk",
        ),
        (
            [ConsoleData(1.0, "starting\x1b[2J\n"), LATE],
            r"no cloud-init has read the seed .* 1800 s; .*:\n +starting\?\[2J",
        ),
        (
            [step("unpacking"), LATE],
            "it was not done after 1800 s, while it was at this: unpacking; the console said nothing",
        ),
        ([step("unpacking"), OFF], "it switched itself off before it was done, while it was at this: unpacking"),
        ([step(SEED_READ), OFF], "it switched itself off before it was done; "),
        ([prepared(), LATE], "it did not switch itself off within 300 s"),
        (
            [ConsoleData(1.0, "[  1.0] Kernel panic - not syncing: No init\n")],
            "panicked: Kernel panic - not syncing: No init;",
        ),
        ([ProcessExit(1.0, -6, "assertion failed")], "QEMU ended with status -6: assertion failed"),
        (
            [failed("kexec-tools is not installed")],
            r"kexec-tools is not installed \(looking\)\n  install it in the image",
        ),
        ([failed("tar", b"no space\n\x1b[2Jleft")], r"tar \(looking\); the end of .*:\n    no space\n    \?\[2Jleft$"),
        ([failed("", b"")], r"looking \(looking\)$"),
        ([prepared(kernel_bytes=-1)], "its last message makes no sense"),
        ([prepared(kernel_bytes=1 << 40)], "its last message makes no sense"),
        ([prepared(kernel_bytes="1")], "its last message makes no sense"),
        (
            [prepared(next=None), OFF],
            r"next boot would not have the console .*: root=/dev/vda1 ro;.*nothing\n  add console",
        ),
    ],
)
def test_a_preparation_that_does_not_end_well_is_named_by_what_was_said(events, problem):
    with pytest.raises(ImageError, match=f"(?s)^x.qcow2 cannot be prepared: .*{problem}") as caught:
        watch(*events)
    assert "\x1b" not in str(caught.value)


def test_what_the_guest_says_is_bounded():
    with pytest.raises(ImageError) as caught:
        watch(ConsoleData(1.0, "x" * (3 << 20)), failed("y" * 100_000, b"z" * 100_000))
    assert len(str(caught.value)) < 10_000


PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
KEYS = st.sampled_from(
    ["step", "problem", "output", "system", "cmdline", "kernel_bytes", "initrd_bytes", "next", "kexec", "command_line"]
)
KINDS = st.sampled_from(["step", "failed", "prepared", "hello", "reply"])
VALUES = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(KEYS, PLAIN, max_size=2)
BODIES = st.builds(lambda kind, body: {**body, "type": kind}, KINDS, st.dictionaries(KEYS, VALUES, max_size=6))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(BODIES, max_size=4))
def test_whatever_the_guest_sends_what_is_said_of_it_can_be_shown(bodies):
    events = [AgentMessage(float(number), body) for number, body in enumerate(bodies)]
    said: list[str] = []
    try:
        watch_preparation(ReplayMachine([*events, OFF]), "x", said.append)
    except ImageError as error:
        said.append(str(error))
    assert "".join(said).replace("\n", "").isprintable()
