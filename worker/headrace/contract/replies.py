"""Turns script replies into values. The only place that knows their positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from headrace.contract.protocol import PROTOCOL
from headrace.contract.stats import PlannedTick, QueueStats, VersionCounts, WorkerPresence
from headrace.errors import ProtocolError


class Presence(msgspec.Struct, frozen=True, array_like=True):
    """What a worker says of itself with each renewal. Append only, and what is appended has a default: a shorter one
    comes from an older worker, and of a longer one, which a newer worker sends, the rest is passed over."""

    worker: str
    version: str
    slots: int
    running: int
    draining: bool
    protocol: int
    started_ms: int
    busy_ms: int | None = None


_presence_encoder = msgspec.msgpack.Encoder()
_presence_decoder = msgspec.msgpack.Decoder(Presence)
_list_decoder = msgspec.msgpack.Decoder(list[Any])


def encode_presence(presence: Presence) -> bytes:
    """The bytes that join and renew carry."""
    return _presence_encoder.encode(presence)


def decode_worker_name(packed: bytes) -> str:
    """The name of the worker in a value of `workers`."""
    return _presence_decoder.decode(packed).worker


def _decode_presence(sid: str, packed: bytes) -> Presence:
    try:
        return _presence_decoder.decode(packed)
    except msgspec.ValidationError as error:
        _list_decoder.decode(packed)  # raises for what is no presence of any version, but something else's data
        raise ProtocolError(
            f"worker session {sid} describes itself in a way that protocol {PROTOCOL} can't read: {error}; "
            "upgrade the older side of the two"
        ) from error


def _pairs(flat: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    return ((flat[i].decode(), flat[i + 1]) for i in range(0, len(flat), 2))


def _by_version(flat: Sequence[Any]) -> dict[str, dict[str, int]]:
    grouped: dict[str, dict[str, int]] = {}
    for field, value in _pairs(flat):
        version, _, name = field.rpartition(":")
        grouped.setdefault(version, {})[name] = int(value)
    return grouped


def _versions(flat: Sequence[Any]) -> dict[str, VersionCounts]:
    return {version: msgspec.convert(counters, VersionCounts) for version, counters in _by_version(flat).items()}


def _workers(flat: Sequence[Any]) -> Iterator[WorkerPresence]:
    for i in range(0, len(flat), 5):
        sid, packed, leases, deadline, cordoned = flat[i : i + 5]
        yield worker_presence(sid.decode(), packed, leases, int(deadline), cordoned=bool(cordoned))


def worker_presence(sid: str, packed: bytes, leases: int, expires_ms: int, *, cordoned: bool = False) -> WorkerPresence:
    """Of what a session says of itself, and what the broker knows of it. Raises ProtocolError."""
    said = _decode_presence(sid, packed)
    return WorkerPresence(
        sid=sid,
        worker=said.worker,
        version=said.version,
        slots=said.slots,
        running=said.running,
        draining=said.draining,
        protocol=said.protocol,
        started_ms=said.started_ms,
        busy_ms=said.busy_ms,
        leases=leases,
        cordoned=cordoned,
        expires_ms=expires_ms,
    )


def encode_tick(tick: PlannedTick) -> str:
    """A value of `ticks`."""
    return f"{tick.due_ms} {tick.schedule}"


def decode_tick(value: bytes) -> PlannedTick:
    """Raises ValueError for what is none."""
    due_ms, _, schedule = value.decode().partition(" ")
    return PlannedTick(due_ms=int(due_ms), schedule=schedule)


def _time(value: int) -> int | None:
    return None if value < 0 else value


def decode_stats(queue: str, reply: Sequence[Any]) -> QueueStats:
    """The reply of stats.lua. Raises ProtocolError for a worker that describes itself beyond understanding."""
    said = dict(_pairs(reply))
    counts = {name: int(value) for name, value in _pairs(said["counts"])}
    return QueueStats(
        queue=queue,
        now_ms=said["now_ms"],
        ready=said["ready"],
        due=said["due"],
        scheduled=said["scheduled"],
        leased=said["leased"],
        parked=said["parked"],
        awaiting=said.get("awaiting", 0),
        held=said.get("held", 0),
        dead=said["dead"],
        oldest_ready_ms=_time(said["oldest_ready_ms"]),
        next_due_ms=_time(said["next_due_ms"]),
        oldest_dead_ms=_time(said["oldest_dead_ms"]),
        expired_sessions=said["expired_sessions"],
        paused=bool(said["paused"]),
        asleep=bool(said["asleep"]),
        owner=said["owner"].decode() or None,
        protocol=said.get("protocol", 0),
        least_protocol=said.get("least_protocol", 0),
        trial=tuple(said["trial"].decode().split()) if said["trial_left_ms"] else (),
        trial_left_ms=said["trial_left_ms"],
        enqueued=counts.get("enqueued", 0),
        released=counts.get("released", 0),
        crashed=counts.get("crashed", 0),
        stale=counts.get("stale", 0),
        cancelled=counts.get("cancelled", 0),
        replayed=counts.get("replayed", 0),
        ticks={task: decode_tick(value) for task, value in _pairs(said.get("ticks", ()))},
        versions=_versions(said["versions"]),
        failures=_by_version(said.get("failures", ())),
        workers=tuple(_workers(said["workers"])),
    )
