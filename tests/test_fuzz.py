"""Untrusted bytes of any kind: no exception, no unbounded memory, no verdict from noise."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))

from targets import TARGETS  # a folder of its own, which atheris' entry shares

#: pieces of what the readers look for, so that Hypothesis comes by them
WORDS = [
    b"[    0.000000] Linux version 6.1\n",
    b"[    1.000000] Kernel panic - not syncing: x\r\n",
    b"[    2.000000] Run /init as init process\n",
    b"[    3.000000] systemd[1]: systemd 257 running in system mode\n",
    b"[    4.000000] kexec_core: Starting new kernel\r",
    b"[    4.000000] WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\n",
    b"[  OK  ] Reached target multi-user.target\n",
    b"guest login: ",
    b"(initramfs) ",
    b"SeaBIOS (version 1)\n",
    b"\x1b[0;31m",
    b"\x1b]",
    b"\x1e",
    b'{"type":"ready","boot_id":"new"}\n',
    b'{"type":"reply","id":1,"status":1,"output":"eA=="}\n',
    b'[["RESET",{"reason":"guest-reset"}],["SHUTDOWN",{"reason":"guest-shutdown"}],["WATCHDOG",{"action":[]}]]',
    b'{"channel":"console","t":1.0,"text":"x"}\n',
    b'{"record":"start","cell_id":"x"}\n',
    b"# outcome: pass\n",
    b"# source: x\n",
    b"\n",
    b"\r",
    b"\x00\xff",
]
DATA = st.lists(st.sampled_from(WORDS) | st.binary(max_size=40), max_size=25).map(b"".join)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=150, deadline=None)
@given(data=DATA)
def test_any_bytes(name, data):
    TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_a_megabyte_of_nothing_in_particular(name):
    TARGETS[name](b"\x1b[31mKernel panic [    1.000000] " * 30_000)
