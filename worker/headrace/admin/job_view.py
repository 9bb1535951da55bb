"""What can be said about one job: a pure value, made from locate.lua's reply and the stored envelope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.contract.envelope import DeathRecord, UnreadableEnvelope, decode
from headrace.contract.progress import Progress
from headrace.contract.protocol import State
from headrace.contract.trail import Transition
from headrace.contract.trail import death as died

_STATES = {"suspects": State.READY, "reaping": State.LEASED}


@dataclass(frozen=True)
class KeyView:
    """A job's limit key as it stood when looked at."""

    key: str
    running: int
    """Jobs of the key that are leased, over all workers."""
    waiting: int
    """Jobs of the key that are parked."""
    ahead: int | None = None
    """Of those, how many come before this one; None: it is not parked."""
    due_ms: int | None = None
    """When the key's rate lets a job go; None: it doesn't wait for its rate."""


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job as it stood when looked at. Times are Unix ms on the Redis server's clock unless said otherwise."""

    id: str
    queue: str
    state: State
    task: str | None = None
    """None when its envelope can't be read, or when it is done and only its result is kept."""
    priority: str = "default"
    attempts: int = 0
    """Failed runs charged so far."""
    crashes: int = 0
    """Times that its worker died under it."""
    replays: int = 0
    since_ms: int | None = None
    """Since when it is ready, or dead."""
    due_ms: int | None = None
    """When a scheduled job falls due."""
    suspect: bool = False
    """Ready, but to be run alone, since its worker died more than once."""
    holder_sid: str | None = None
    holder: str | None = None
    """The worker (pod or process) whose session holds it; None while its session is being reaped."""
    progress: Progress | None = None
    """What its handler has last said of itself."""
    cancel_requested: bool = False
    limit: KeyView | None = None
    """Its limit key, if it has one."""
    unique: str | None = None
    """Its unique key."""
    waits_for: int = 0
    """How many steps of its workflow must end before it begins."""
    waits_for_ids: tuple[str, ...] = ()
    """The first few of the jobs that it waits for …"""
    waits_for_dead: tuple[str, ...] = ()
    """… and those of them that are dead letters."""
    reason: str | None = None
    error: str | None = None
    """Why it died; only for dead jobs."""
    called_off: bool = False
    """Only of a job that is done: it was cancelled, and that is what is kept."""
    transitions: tuple[Transition, ...] = ()
    """The last ones out of the ordinary, oldest first; only of a job that is looked at by itself."""
    enqueued_ms: int | None = None
    """On the producer's clock."""
    correlation_id: str = ""
    meta: Mapping[str, str] = field(default_factory=dict)
    payload: bytes | None = field(default=None, repr=False)
    """As encoded by `codec`; only when asked for."""
    codec: str | None = None


Death = tuple[str, str, DeathRecord]
"""As `envelope.decode_dead_entry` gives it."""


def is_dead(located: Sequence[Any]) -> bool:
    """Whether locate.lua has found a dead letter."""
    places = located[1]
    return bool(places) and bool(places[0] == b"dead")


def decode_view(
    queue: str,
    job_id: str,
    located: Sequence[Any],
    value: bytes | None,
    priority: bytes | None,
    *,
    death: Death | None,
    with_payload: bool,
) -> JobView | None:
    """One reply of locate.lua with the values of `jobs`, `prio` and `dj`; None when the id stands nowhere."""
    _, places, crashes, cancel = located
    if value is None or not places:
        return None
    place = places[0].decode()
    fields = {
        "id": job_id,
        "queue": queue,
        "state": _STATES.get(place) or State(place),
        "priority": (priority or b"default").decode(),
        "crashes": crashes,
        "cancel_requested": bool(cancel),
        "suspect": place == "suspects",
        **_place_fields(place, places[1]),
        **_envelope_fields(value, with_payload),
    }
    if death is not None:
        fields |= _death_fields(fields.get("since_ms") or 0, death)
    return JobView(**fields)


def _place_fields(place: str, detail: bytes) -> dict[str, Any]:
    match place:
        case "scheduled":
            return {"due_ms": int(float(detail))}
        case "ready" | "suspects" | "dead":
            return {"since_ms": int(float(detail)) // 1000}
        case "leased" | "reaping":
            return {"holder_sid": detail.decode()}
        case _:
            return {}


def _envelope_fields(value: bytes, with_payload: bool) -> dict[str, Any]:
    try:
        stored = decode(value)
    except UnreadableEnvelope:
        return {}
    envelope = stored.envelope
    return {
        "task": stored.task,
        "attempts": stored.attempts,
        "replays": stored.replays,
        "enqueued_ms": envelope.enqueued_ms,
        "correlation_id": envelope.correlation_id,
        "meta": dict(envelope.meta or {}),
        "payload": envelope.payload if with_payload else None,
        "codec": envelope.codec,
    }


def _death_fields(since_ms: int, death: Death) -> dict[str, Any]:
    facet, _, record = death
    reason = facet.partition("|")[2]
    last = died(since_ms, reason, record.attempts, record.worker)
    return {"reason": reason, "error": record.error, "attempts": record.attempts, "transitions": (last,)}
