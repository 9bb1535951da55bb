"""A job's value in the `jobs` hash: a header that Lua reads and changes, and a body that nobody changes.

header: [0] envelope version, [1] attempts charged so far, [2] replays, [3] length of the task's name, then the name;
body: msgpack array of Envelope. Lua's msgpack knows no binary type, so it must never have to look into the body.
Unknown trailing fields are ignored and missing ones take their defaults, so old and new workers coexist.

A job of a workflow has version FLOW_VERSION: between header and body stand one byte of flags and the body's length (4
bytes, big-endian), and behind the body, once those before it are done, what they give it: one value in msgpack.
"""

from __future__ import annotations

from typing import Final

import msgspec

from headrace.errors import ConfigError

ENVELOPE_VERSION: Final = 1
FLOW_VERSION: Final = 2
_FEEDS, _WANTED, _TAKES = 1, 2, 4
MAX_TASK_NAME: Final = 200
"""Bytes."""


class Envelope(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a producer says about a job. Field order is the wire format: append only."""

    enqueued_ms: int
    """Unix ms on the producer's clock; informative only, no decision uses it."""
    payload: bytes
    """`codec` encoding of [args, kwargs]."""
    codec: str = "msgpack"
    correlation_id: str = ""
    meta: dict[str, str] | None = None
    """Free metadata for routing and filters; also carries the trace context."""
    max_retries: int | None = None
    timeout: float | None = None
    """Seconds; overrides the task's own."""


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A decoded value."""

    task: str
    envelope: Envelope
    attempts: int
    replays: int
    feeds: bool = False
    """Other jobs wait for its end …"""
    wanted: bool = False
    """… and for its result."""
    given: bytes | None = None
    """Its first argument, from those before it, in msgpack; None: its own arguments are all."""


class UnreadableEnvelope(Exception):  # noqa: N818 - a fact about the data, the caller buries the job
    """The value is from a newer version or is not an envelope."""


_encoder = msgspec.msgpack.Encoder()
SMALL: Final = 4096
"""Bytes; below it a copy costs less than a view."""

_decoder = msgspec.msgpack.Decoder(Envelope)


def header(task: str) -> bytes:
    """The header of a new job of that task; made once per task. Raises ConfigError."""
    name = task.encode()
    if not 0 < len(name) <= MAX_TASK_NAME or b"\0" in name or b"|" in name:
        raise ConfigError(f"task name {task!r}: use 1 to {MAX_TASK_NAME} bytes without '|' and NUL")
    return bytes((ENVELOPE_VERSION, 0, 0, len(name))) + name


def encode(head: bytes, envelope: Envelope) -> bytes:
    """The value of a new job; `head` from `header`."""
    return head + _encoder.encode(envelope)


def in_workflow(value: bytes, *, feeds: bool, wanted: bool, takes: bool) -> bytes:
    """The value of a job as part of a workflow. feeds, wanted: others wait for its end, for its result; takes: it gets
    the result of those before it."""
    end = 4 + value[3]
    flags = _FEEDS * feeds + _WANTED * wanted + _TAKES * takes
    size = len(value) - end
    return bytes((FLOW_VERSION,)) + value[1:end] + bytes((flags,)) + size.to_bytes(4, "big") + value[end:]


def _decode_in_workflow(value: bytes, end: int) -> Stored:
    flags, start = value[end], end + 5
    stop = start + int.from_bytes(value[end + 1 : start], "big")
    envelope = _decoder.decode(value[start:stop])
    given = value[stop:] if flags & _TAKES and len(value) > stop else None
    task = value[4:end].decode()
    return Stored(task, envelope, value[1], value[2], bool(flags & _FEEDS), bool(flags & _WANTED), given)


def decode(value: bytes) -> Stored:
    """Raises UnreadableEnvelope."""
    if len(value) < 5 or value[0] > FLOW_VERSION:
        raise UnreadableEnvelope(f"envelope version {value[0] if value else 'missing'}")
    end = 4 + value[3]
    try:
        if value[0] == FLOW_VERSION:
            return _decode_in_workflow(value, end)
        body = value[end:] if len(value) < SMALL else memoryview(value)[end:]
        return Stored(value[4:end].decode(), _decoder.decode(body), value[1], value[2])
    except (msgspec.MsgspecError, UnicodeDecodeError, IndexError) as error:
        raise UnreadableEnvelope(str(error)) from error


def with_envelope(value: bytes, envelope: Envelope) -> bytes:
    """The same job with another envelope; what else a value has stays. Raises UnreadableEnvelope."""
    decode(value)
    end, body = 4 + value[3], _encoder.encode(envelope)
    if value[0] != FLOW_VERSION:
        return value[:end] + body
    stop = end + 5 + int.from_bytes(value[end + 1 : end + 5], "big")
    return value[: end + 1] + len(body).to_bytes(4, "big") + body + value[stop:]


def dead_value(task: str, envelope: Envelope, *, attempts: int, replays: int) -> bytes:
    """The value of a job that was alive before. attempts, replays: counted up to 255. Raises ConfigError."""
    head = header(task)
    return head[:1] + bytes((min(attempts, 255), min(replays, 255))) + head[3:] + _encoder.encode(envelope)


class DeathRecord(msgspec.Struct, array_like=True, frozen=True):
    """Why a job died; the last part of a `dj` entry. Lua writes one for jobs whose workers crashed."""

    error: str
    """Exception class and message, at most 500 characters."""
    attempts: int
    crashes: int
    worker: str = ""
    seconds: float = 0.0
    """How long the last run took."""


def lua_string(data: bytes) -> msgspec.Raw:
    """Bytes as a msgpack *string*, the only kind that Lua's msgpack reads."""
    return msgspec.Raw(b"\xdb" + len(data).to_bytes(4, "big") + data)


_death_encoder = msgspec.msgpack.Encoder()
_death_decoder = msgspec.msgpack.Decoder(DeathRecord)


def encode_death(record: DeathRecord) -> bytes:
    """The bytes that a bury settlement carries."""
    return _death_encoder.encode(record)


def decode_death(record: bytes) -> DeathRecord:
    """What a bury settlement carries."""
    return _death_decoder.decode(record)


def decode_dead_entry(entry: bytes) -> tuple[str, str, DeathRecord]:
    """Split a `dj` value into facet (`task|reason`), traceback fingerprint and record."""
    facet, fingerprint, record = entry.split(b"\0", 2)
    return facet.decode(), fingerprint.decode(), _death_decoder.decode(record)
