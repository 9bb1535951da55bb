"""`headrace-operator check`: whether an installed operator does its work. Reads, waits a while, and writes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Final

import aiohttp

from headrace.errors import HeadraceError
from headrace_operator.api.names import worker_queues_path
from headrace_operator.cluster.api import Api, connect
from headrace_operator.cluster.errors import ApiError
from headrace_operator.operate.settings import OperatorSettings

PAUSE_SECONDS: Final = 0.5
ANSWER_SECONDS: Final = 5.0


class CheckFailedError(HeadraceError):
    """The operator does not do what it should; the message says what, in one line."""


async def check(settings: OperatorSettings, url: str | None, seconds: float) -> AsyncIterator[str]:
    """What was found to be in order, line by line, while there are `seconds` left.

    `settings` are the operator's own; `url` is where it serves its health, None to leave that out. Raises
    CheckFailedError, and ConfigError without a cluster.
    """
    give_up = time.monotonic() + seconds
    async with connect() as api:
        for namespace in settings.namespaces or ("",):
            yield await _lasting(partial(_served, api, namespace), give_up)
        yield await _lasting(partial(_led, api, settings, give_up), give_up)
    if url is not None:
        yield await _lasting(partial(_ready, url), give_up)


async def _lasting(look: Callable[[], Awaitable[str]], give_up: float) -> str:
    """What `look` found, once it does; the last thing that it complained of when the time is over."""
    while True:
        try:
            return await look()
        except CheckFailedError:
            if time.monotonic() + PAUSE_SECONDS > give_up:
                raise
        await asyncio.sleep(PAUSE_SECONDS)


async def _served(api: Api, namespace: str) -> str:
    where = f"namespace {namespace}" if namespace else "the whole cluster"
    try:
        await api.get(worker_queues_path(namespace), {"limit": "1"})
    except ApiError as exc:
        raise CheckFailedError(f"WorkerQueues of {where} can't be read: {exc}") from exc
    return f"WorkerQueues of {where} are served"


async def _led(api: Api, settings: OperatorSettings, give_up: float) -> str:
    """A leader renews its Lease every second; whether it is alive shows in the renewal, whatever clocks say."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{settings.pod_namespace}/leases/{settings.lease_name}"
    try:
        first = await api.get(path)
        while time.monotonic() < give_up:
            now = await api.get(path)
            holder = now["spec"].get("holderIdentity")
            if holder and now["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]:
                return f"{holder} leads"
            await asyncio.sleep(PAUSE_SECONDS)
    except ApiError as exc:
        raise CheckFailedError(f"the Lease {settings.lease_name} can't be read: {exc}") from exc
    raise CheckFailedError(f"nobody leads: the Lease {settings.lease_name} is not renewed")


async def _ready(url: str) -> str:
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{url}/readyz") as response:
            said = (await response.text()).strip()
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise CheckFailedError(f"{url}/readyz does not answer: {exc or type(exc).__name__}") from exc
    if response.status != 200:
        raise CheckFailedError(f"{url}/readyz: {said[:200] or f'HTTP {response.status}'}")
    return f"{url}/readyz: {said}"
