"""Gives a dead letter other arguments before it is replayed: checked against what its task's workers have published."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import structs

from headrace.admin.handle import QueueHandle
from headrace.admin.published import Published, check_arguments
from headrace.client.codec import MAX_PAYLOAD, codec_named, decode_arguments, encode_arguments
from headrace.contract.envelope import Stored, UnreadableEnvelope, decode, with_envelope
from headrace.errors import ConflictingEditError, JobNotFoundError, PayloadError, UsageError


@dataclass(frozen=True)
class Change:
    """What to put in the place of a letter's arguments; None: those of the letter stay."""

    args: Sequence[Any] | None = None
    kwargs: Mapping[str, Any] | None = None
    set: Mapping[str, Any] | None = None
    """Single arguments by name, beside the others."""

    def applied(self, args: Sequence[Any], kwargs: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, Any]:
        """names: of the parameters in order, as far as known: a positional argument keeps its place."""
        positional = list(args if self.args is None else self.args)
        named = dict(kwargs if self.kwargs is None else self.kwargs)
        for name, value in (self.set or {}).items():
            place = names.index(name) if name in names else len(positional)
            if place < len(positional):
                positional[place] = value
            else:
                named[name] = value
        return positional, named


async def edit(handle: QueueHandle, job_id: str, change: Change, *, unchecked: bool = False) -> None:
    """Compare and set: a letter that is replayed, deleted or edited meanwhile stays as it is then.

    Raises JobNotFoundError, ConflictingEditError, PayloadError (it doesn't fit, can't be read, is too large).
    """
    died, value = await handle.pipeline([("ZSCORE", "dead", job_id), ("HGET", "jobs", job_id)])
    if died is None or value is None:
        raise _no_letter(handle, job_id)
    stored = _readable(job_id, value)
    envelope = stored.envelope
    schemas = await Published(handle).schemas()
    names = list(schemas.get(stored.task, {}).get("properties", {}))
    args, kwargs = change.applied(*decode_arguments(envelope.codec, envelope.payload), names)
    if not unchecked and stored.given is None:  # a workflow's result comes first, and is in no argument
        _check_places(change, stored.task, names[: len(args)], kwargs)
        check_arguments(schemas, handle.queue, stored.task, args, kwargs)
    limit = max(MAX_PAYLOAD, len(envelope.payload))
    payload = encode_arguments(codec_named(envelope.codec), stored.task, args, kwargs, limit)
    edited = with_envelope(value, structs.replace(envelope, payload=payload))
    seen = hashlib.sha1(value, usedforsecurity=False).hexdigest()
    match await handle.run("edit_dead", job_id, int(float(died)), seen, edited):
        case b"gone":
            raise _no_letter(handle, job_id)
        case b"changed":
            raise ConflictingEditError(f"dead letter {job_id!r} was changed meanwhile; look again, then edit it")


def _check_places(change: Change, task: str, by_position: Sequence[str], kwargs: Mapping[str, Any]) -> None:
    """Who names all named arguments may not know that the letter has others by position. Raises PayloadError."""
    twice = [name for name in by_position if name in kwargs]
    if twice and change.args is None:
        raise PayloadError(
            f"task {task}: {twice[0]} is given twice, by position and by name; "
            "the letter has positional arguments: add --args '[]', or use --set"
        )


def _readable(job_id: str, value: bytes) -> Stored:
    try:
        stored = decode(value)
    except UnreadableEnvelope as error:
        raise PayloadError(f"dead letter {job_id!r} can't be read: {error}") from None
    if stored.envelope.codec == "protobuf":
        raise UsageError(f"dead letter {job_id!r} travels as protobuf, which only its task can write")
    return stored


def _no_letter(handle: QueueHandle, job_id: str) -> JobNotFoundError:
    return JobNotFoundError(f"no dead letter {job_id!r} in queue {handle.queue!r}")
