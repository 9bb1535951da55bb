"""What comes from the API server, however it is cut into pieces."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from headrace_operator.cluster.api import Api
from headrace_operator.cluster.errors import ApiUnavailableError


def event(name: str, size: int = 0) -> dict[str, Any]:
    return {"type": "ADDED", "object": {"metadata": {"name": name}, "filling": "x" * size}}


@asynccontextmanager
async def watched(pieces: list[bytes]) -> AsyncIterator[Api]:
    """An API server whose every watch sends `pieces` and ends."""

    async def watch(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0)
        return response

    app = web.Application()
    app.add_routes([web.get("/things", watch)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    settings = type.__call__(Configuration)
    settings.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with ApiClient(configuration=settings) as client:
            yield Api(client)
    finally:
        await runner.cleanup()


async def names(api: Api, *, then: Callable[[], Awaitable[None]] | None = None) -> list[str]:
    found = []
    async with api.stream("/things", {}) as events:
        async for one in events:
            found.append(one["object"]["metadata"]["name"])
            if then is not None:
                await then()
    return found


async def test_an_object_may_be_as_large_as_the_api_server_lets_it() -> None:
    text = b"".join(json.dumps(one).encode() + b"\n" for one in (event("a"), event("b", 1_500_000), event("c")))
    async with watched([text]) as api:
        assert await names(api) == ["a", "b", "c"]


async def test_events_need_not_come_in_whole_lines() -> None:
    text = b"".join(json.dumps(event(name)).encode() + b"\n" for name in "abc")
    async with watched([text[:5], text[5:70], text[70:-3], text[-3:]]) as api:
        assert await names(api) == ["a", "b", "c"]


@pytest.mark.parametrize("rest", [b'{"type": "ADD', b"<html>no</html>\n"])
async def test_what_is_no_event_is_an_outage(rest: bytes) -> None:
    async with watched([json.dumps(event("a")).encode() + b"\n", rest]) as api:
        with pytest.raises(ApiUnavailableError, match="watching /things: the answer is not JSON"):
            await names(api)
        with pytest.raises(ApiUnavailableError, match="GET /things: the answer is not JSON"):
            await api.get("/things")


async def test_a_connection_closed_between_two_events_is_an_outage() -> None:
    async with watched([json.dumps(event("a")).encode() + b"\n", b" " * 10]) as api:
        with pytest.raises(ApiUnavailableError, match="watching /things: Connection closed"):
            await names(api, then=api._client.close)
