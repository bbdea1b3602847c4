"""The agent channel: whatever noise is on the line, only complete reports come out."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import CommandReply
from harness.qemu.agent import MAX_LINE_BYTES, AgentDecoder, encode_command, parse_reply

REPORT = b'\x1e{"type":"hello","boot_id":"9bcc0f4c"}\n'


def test_firmware_noise_on_the_same_line_is_skipped():
    noise = b'\x1b[2J\x1b[01;01HBdsDxe: loading Boot0001 "UEFI Misc Device"\r\n\rLoading Linux ...'
    assert AgentDecoder().feed(noise + REPORT) == [{"type": "hello", "boot_id": "9bcc0f4c"}]


@given(cuts=st.lists(st.integers(0, len(REPORT) * 2), max_size=8))
def test_any_split_of_the_bytes_gives_the_same_messages(cuts):
    stream = REPORT + REPORT
    decoder, messages, start = AgentDecoder(), [], 0
    for cut in [*sorted(cuts), len(stream)]:
        messages += decoder.feed(stream[start:cut])
        start = max(start, cut)
    assert messages == [{"type": "hello", "boot_id": "9bcc0f4c"}] * 2


@given(st.binary(max_size=4096))
def test_noise_never_raises_and_gives_only_objects_with_a_type(noise):
    for message in AgentDecoder().feed(noise + b"\n"):
        assert isinstance(message["type"], str)


def test_json_that_is_no_report_is_dropped():
    lines = [
        b"\x1e[1,2]\n",
        b'\x1e"text"\n',
        b'\x1e{"no":"type"}\n',
        b'\x1e{"type":7}\n',
        b"\x1e" + b"[" * 100_000 + b"\n",
    ]
    assert AgentDecoder().feed(b"".join(lines)) == []


def test_a_line_without_end_does_not_grow_and_the_next_report_still_arrives():
    decoder = AgentDecoder()
    for _ in range(5):
        decoder.feed(b"\x1e" + b"x" * MAX_LINE_BYTES)
    assert len(decoder._line) <= MAX_LINE_BYTES
    assert decoder.feed(b"\n" + REPORT) == [{"type": "hello", "boot_id": "9bcc0f4c"}]


def test_a_script_travels_as_one_line_of_base64():
    line = encode_command(7, "echo 'two\nlines'")
    assert line.startswith(b"7 ")
    assert line.count(b"\n") == 1
    assert base64.b64decode(line.split()[1]) == b"echo 'two\nlines'"


def test_a_reply_is_decoded_and_a_malformed_one_is_none():
    body = json.loads('{"type":"reply","id":3,"status":1,"output":"aGVsbG8="}')
    assert parse_reply(body) == (3, CommandReply(1, "hello"))
    for wrong in ({"type": "ready"}, {**body, "id": "3"}, {**body, "status": None}, {**body, "output": "*"}):
        assert parse_reply(wrong) is None


@pytest.mark.parametrize("bad", [b'\x1e{"type":"\xff"}\n', b'\x1e{"type":"x","d":' + b"[" * 900 + b"]" * 900 + b"}\n"])
def test_what_cannot_be_a_message_is_dropped_and_the_next_one_read(bad):
    assert AgentDecoder().feed(bad + b'\x1e{"type":"hello"}\n') == [{"type": "hello"}]
