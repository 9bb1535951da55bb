"""E15: a job's value, across versions: fields missing, fields added, a version this code does not know."""

from __future__ import annotations

import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.contract.envelope import (
    FLOW_VERSION,
    MAX_TASK_NAME,
    DeathRecord,
    Envelope,
    Stored,
    UnreadableEnvelope,
    decode,
    decode_dead_entry,
    encode,
    encode_death,
    header,
    lua_string,
)
from headrace.errors import ConfigError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ENVELOPES = st.builds(
    Envelope,
    enqueued_ms=st.integers(0, 2**53),
    payload=st.binary(max_size=50),
    codec=st.sampled_from(["msgpack", "json"]),
    correlation_id=TEXT,
    meta=st.none() | st.dictionaries(TEXT, TEXT, max_size=3),
    max_retries=st.none() | st.integers(0, 200),
    timeout=st.none() | st.floats(0.001, 1e6),
)


@given(task=st.text(string.ascii_letters, min_size=1, max_size=MAX_TASK_NAME), envelope=ENVELOPES)
def test_round_trip(task: str, envelope: Envelope) -> None:
    assert decode(encode(header(task), envelope)) == Stored(task, envelope, 0, 0)


def test_attempts_and_replays_are_bytes_that_lua_may_change() -> None:
    value = bytearray(encode(header("t"), Envelope(1, b"")))
    value[1], value[2] = 7, 3
    stored = decode(bytes(value))
    assert (stored.attempts, stored.replays) == (7, 3)


def body(*fields: object) -> bytes:
    return header("t") + msgspec.msgpack.encode(fields)


def test_an_older_producer_says_less() -> None:
    assert decode(body(5, b"x")).envelope == Envelope(5, b"x")
    assert decode(body(5, b"x", "json", "c")).envelope == Envelope(5, b"x", "json", "c")


def test_a_newer_producer_says_more() -> None:
    fields = msgspec.structs.astuple(Envelope(5, b"x", "json", "c", {"a": "b"}, 2, 1.5))
    assert decode(body(*fields, "new", {"more": [1]})).envelope == Envelope(5, b"x", "json", "c", {"a": "b"}, 2, 1.5)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (b"", "envelope version missing"),
        (b"\x01\x00\x00\x00", "envelope version 1"),
        (bytes([FLOW_VERSION + 1]) + body(5, b"x")[1:], f"envelope version {FLOW_VERSION + 1}"),
        (header("t"), "truncated"),
        (header("t") + b"\xc1", "malformed"),
        (body(5), "at least length 2"),
        (body("now", b"x"), "Expected `int`"),
        (b"\x01\x00\x00\x02\xff\xfe" + msgspec.msgpack.encode((5, b"x")), "utf-8"),
        (b"\x01\x00\x00\xfft", "truncated"),
    ],
)
def test_what_can_not_be_read_says_why(value: bytes, complaint: str) -> None:
    with pytest.raises(UnreadableEnvelope, match=complaint):
        decode(value)


@given(st.binary(max_size=80))
def test_no_bytes_crash_it(value: bytes) -> None:
    try:
        decode(value)
    except UnreadableEnvelope:
        return


@pytest.mark.parametrize("name", ["", "a|b", "a\0b", "x" * (MAX_TASK_NAME + 1), "ü" * (MAX_TASK_NAME // 2 + 1)])
def test_task_names_that_would_break_keys_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="use 1 to 200 bytes without"):
        header(name)


@given(error=TEXT, attempts=st.integers(0, 255), crashes=st.integers(0, 5))
def test_a_death_record_survives_its_way_through_lua(error: str, attempts: int, crashes: int) -> None:
    record = DeathRecord(error, attempts, crashes, "w", 0.5)
    entry = b"task|Reason\0abc\0" + encode_death(record)
    assert decode_dead_entry(entry) == ("task|Reason", "abc", record)


@given(st.binary(max_size=70_000))
def test_lua_sees_bytes_as_a_string(data: bytes) -> None:
    packed = msgspec.msgpack.encode(lua_string(data))
    assert packed[0] == 0xDB
    assert packed[5:] == data
    assert int.from_bytes(packed[1:5], "big") == len(data)
