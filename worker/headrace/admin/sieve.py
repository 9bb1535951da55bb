"""Looks at dead letters one by one, a bounded number at a time, for what no index knows: attempts and payloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from headrace.admin.handle import QueueHandle
from headrace.admin.paging import Scored
from headrace.admin.published import Published, Schema
from headrace.admin.selection import LetterFilter
from headrace.client.codec import decode_arguments
from headrace.contract.envelope import Stored, UnreadableEnvelope, decode, decode_dead_entry
from headrace.contract.protocol import CHUNK
from headrace.errors import PayloadError

AT_ONCE: Final = 100
"""Payloads in memory at a time: of 256 KiB each, some 25 MB."""


class Sieve:
    """Keeps the letters that a filter means, of those that the indexes have found for it."""

    def __init__(self, handle: QueueHandle, said: LetterFilter) -> None:
        self._handle = handle
        self._said = said
        self._schemas: Mapping[str, Schema] | None = None

    @property
    def at_once(self) -> int:
        """Most letters to give it at a time."""
        return AT_ONCE if self._said.where else CHUNK

    async def keep(self, found: Sequence[Scored]) -> list[Scored]:
        """Those that fit; all of them where the filter asks for nothing that it would have to look at.

        Letters must come with their entries where the filter `scans`.
        """
        if not self._said.scans:
            return list(found)
        span = self._said.attempts
        chosen = [one for one in found if one.entry is not None]
        if span is not None:
            chosen = [one for one in chosen if decode_dead_entry(one.entry or b"")[2].attempts in span]
        if not self._said.where or not chosen:
            return chosen
        if self._schemas is None:
            self._schemas = await Published(self._handle).schemas()
        values = await self._handle.request("HMGET", "jobs", *(one.id for one in chosen))
        return [one for one, value in zip(chosen, values, strict=True) if self._has_fields(value)]

    def _has_fields(self, value: bytes | None) -> bool:
        try:
            stored = decode(value or b"")
            arguments = named_arguments(stored, (self._schemas or {}).get(stored.task, {}))
        except (UnreadableEnvelope, PayloadError):
            return False
        return all(field.matches(arguments) for field in self._said.where)


def named_arguments(stored: Stored, schema: Schema) -> dict[str, Any]:
    """A job's arguments by the names of their parameters, as far as its workers have published them; positional ones by
    their places from 0, too. Raises PayloadError."""
    envelope = stored.envelope
    args, kwargs = decode_arguments(envelope.codec, envelope.payload)
    places = {str(place): value for place, value in enumerate(args)}
    return {**places, **dict(zip(schema.get("properties", {}), args, strict=False)), **kwargs}
