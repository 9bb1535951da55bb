"""Answers of the API server read raw, as the client hands them over without preloading: a list, or a watch's events.

Raises what aiohttp raises, and asks nothing anew.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

Json = dict[str, Any]


async def listed(answer: aiohttp.ClientResponse) -> Json:
    """A list, with its metadata."""
    async with answer:
        answer.raise_for_status()
        found: Json = await answer.json()
    return found


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Json]]:
    """(ADDED, MODIFIED or DELETED, object) until the API server ends the watch."""
    async with answer:
        answer.raise_for_status()
        try:
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                yield event["type"], event["object"]
        finally:
            _cut(answer)


def _cut(answer: aiohttp.ClientResponse) -> None:
    """Close its connection now: TLS's farewell for a watch broken off could outlive the event loop."""
    if answer.connection is not None and answer.connection.transport is not None:
        answer.connection.transport.abort()
