"""Requests to the API server in plain JSON, each with a deadline, its failures mapped to our errors.

The official client finds the server and the credentials and signs the requests; its models are left alone, since
thousands of pods as model objects cost several times the memory and time of their JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from headrace.errors import ConfigError
from headrace_operator.cluster.errors import ApiUnavailableError, error_for
from headrace_operator.cluster.tally import UNANSWERED, Tally

Json = dict[str, Any]
REQUEST_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 90.0
"""A watch that says nothing for so long is dead: the API server sends a bookmark every minute."""

_JSON: Final = "application/json"


class Patch(StrEnum):
    """The kinds of patches, as content types."""

    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"


def _no_fence() -> None:
    """Whoever writes may always write."""


class Api:
    """One API server, one identity. Raises ApiError's children."""

    def __init__(
        self, client: ApiClient, *, fence: Callable[[], None] = _no_fence, requests: Tally | None = None
    ) -> None:
        """`fence` is called before every write, and raises to prevent it."""
        self.requests: Tally = Tally() if requests is None else requests
        """Every request is counted here."""
        self._client = client
        self._fence = fence

    def fenced(self, fence: Callable[[], None]) -> Api:
        """The same API server, writing only while `fence` lets it."""
        return Api(self._client, fence=fence, requests=self.requests)

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """Read an object or a list."""
        return await self._request("GET", path, query=query)

    async def list_metadata(self, path: str) -> list[Json]:
        """The metadata of every object of a list, and nothing else of them."""
        kind = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        listed = await self._request("GET", path, accept=kind)
        return [item["metadata"] for item in listed["items"] or ()]

    async def create(self, path: str, body: Json, query: Mapping[str, str] | None = None) -> Json:
        """Create an object; ApiConflictError if one of that name is there."""
        return await self._request("POST", path, body=body, query=query)

    async def replace(self, path: str, body: Json) -> Json:
        """Replace an object; ApiConflictError if `body` has another resourceVersion than it."""
        return await self._request("PUT", path, body=body)

    async def patch(self, path: str, body: Json | list[Json], kind: Patch = Patch.MERGE) -> Json:
        """Change an object; ApiConflictError if `body` names another resourceVersion than the object's."""
        return await self._request("PATCH", path, body=body, content_type=kind)

    async def delete(self, path: str, options: Json) -> Json:
        """Delete an object, as the DeleteOptions `options` say."""
        return await self._request("DELETE", path, body=options)

    @asynccontextmanager
    async def stream(self, path: str, query: Mapping[str, str]) -> AsyncIterator[AsyncIterator[Json]]:
        """The events of a watch, each in its JSON form, until the API server ends it."""
        what = f"watching {path}"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS, sock_read=SILENCE_SECONDS)
        try:
            response = await self._send("GET", path, query, None, _headers(_JSON, None), timeout, "WATCH")
            async with response:
                try:
                    if response.status >= 400:
                        raise error_for(response.status, await response.text(), what)
                    yield _events(response, what)
                finally:
                    _cut(response)
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise ApiUnavailableError(f"{what}: {_reason(exc)}") from exc

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | list[Json] | None = None,
        content_type: str | None = None,
        accept: str = _JSON,
    ) -> Json:
        if method != "GET":
            self._fence()
        what = f"{method} {path}"
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        try:
            async with asyncio.timeout(REQUEST_SECONDS + 1):
                headers = _headers(accept, content_type)
                response = await self._send(method, path, query, body, headers, timeout, method)
                async with response:
                    text = await response.text()
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise ApiUnavailableError(f"{what}: {_reason(exc)}") from exc
        if response.status >= 400:
            raise error_for(response.status, text, what)
        return _parsed(text, what)

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Json | list[Json] | None,
        headers: dict[str, str],
        timeout: aiohttp.ClientTimeout,
        verb: str,
    ) -> aiohttp.ClientResponse:
        method, url, headers, data, _ = await self._client.param_serialize(
            method,
            path,
            query_params=list(query.items()) if query else None,
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        code = UNANSWERED
        try:
            answer = await self._client.call_api(method, url, headers, data, _request_timeout=timeout)
            response: aiohttp.ClientResponse = answer.response
            code = str(response.status)
        finally:
            self.requests[verb, code] += 1
        return response


def _headers(accept: str, content_type: str | None) -> dict[str, str]:
    return {"Accept": accept} | ({} if content_type is None else {"Content-Type": content_type})


def in_cluster() -> bool:
    """Whether this is a pod that shall speak with its own cluster."""
    return "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ


def _kubeconfig() -> str:
    """Where KUBECONFIG says, else where kubectl looks; read now, since the client read it when it was imported."""
    path = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    if not Path(path).is_file():
        raise ConfigError(f"no cluster: there is no {path}; run in a pod or set KUBECONFIG")
    return path


@asynccontextmanager
async def connect() -> AsyncIterator[Api]:
    """The cluster this pod runs in, else the one that KUBECONFIG names. Raises ConfigError."""
    settings = type.__call__(Configuration)
    try:
        if in_cluster():
            load_here: Callable[..., None] = config.load_incluster_config
            load_here(client_configuration=settings)
        else:
            load_file: Callable[..., Awaitable[None]] = config.load_kube_config
            await load_file(config_file=_kubeconfig(), client_configuration=settings, persist_config=False)
    except (config.ConfigException, OSError, ValueError) as exc:
        raise ConfigError(f"no cluster: {exc}; run in a pod or set KUBECONFIG") from exc
    async with ApiClient(configuration=settings) as client:
        client.user_agent = "headrace-operator"
        yield Api(client)


async def _events(response: aiohttp.ClientResponse, what: str) -> AsyncIterator[Json]:
    try:
        async for line in response.content:
            if line.strip():
                yield _parsed(line, what)
    except RuntimeError as exc:  # aiohttp's word for a connection that was closed on this side between two reads
        raise ApiUnavailableError(f"{what}: {exc}") from exc


def _parsed(text: str | bytes, what: str) -> Json:
    """An answer or an event; what is none comes from something in between, or was cut off."""
    try:
        parsed: Json = json.loads(text)
    except ValueError as exc:
        raise ApiUnavailableError(f"{what}: the answer is not JSON") from exc
    return parsed


def _cut(response: aiohttp.ClientResponse) -> None:
    """Close its connection now: TLS's farewell for a watch broken off could outlive the event loop."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()


def _reason(exc: BaseException) -> str:
    return "no answer in time" if isinstance(exc, TimeoutError) else (str(exc) or type(exc).__name__)
