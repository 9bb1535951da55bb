"""What the API server tells of a namespace's Deployments and pods, each change with its time, through its outages.

A watch sees what a look now and then would miss: a number that fell and rose again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, ApiException, AppsV1Api, CoreV1Api

from support.api_answers import Json, events, listed

REQUEST_SECONDS = 5.0
WATCH_SECONDS = 240
RETRY_SECONDS = 0.1
SELECTOR = "headrace.dev/queue"


@dataclass(frozen=True)
class Told:
    """So many workers were asked for, all versions together, from that moment on."""

    at: float
    """Monotonic seconds."""
    replicas: int


@dataclass
class FleetWatch:
    """`async with FleetWatch(kubeconfig, namespace) as watch:`; everything it knows is read without a request."""

    kubeconfig: Path
    namespace: str
    history: list[Told] = field(default_factory=list)
    """Changes of the number, the oldest first."""
    deletions: dict[str, float] = field(default_factory=dict)
    """Pods that were told to end, and when."""
    pods: set[str] = field(default_factory=set)
    """Those that exist, ending ones included."""
    _wanted: dict[str, int] = field(default_factory=dict)

    @property
    def replicas(self) -> int:
        """Workers asked for."""
        return self.history[-1].replicas if self.history else 0

    def lowest_since(self, moment: float) -> int:
        """The least number asked for at any time since `moment`, monotonic seconds."""
        return self.lowest_between(moment, time.monotonic())

    def lowest_between(self, moment: float, end: float) -> int:
        """The same for the time before `end`."""
        before = [one.replicas for one in self.history if one.at <= moment][-1:]
        return min([*before, *(one.replicas for one in self.history if moment < one.at < end)], default=0)

    def reached(self, replicas: int, since: float) -> float | None:
        """When, from `since` on, so many workers were asked for at last; None if they never were."""
        if [one.replicas for one in self.history if one.at <= since][-1:] >= [replicas]:
            return since
        return next((one.at for one in self.history if one.at > since and one.replicas >= replicas), None)

    def deleted_since(self, moment: float) -> list[str]:
        """Pods told to end since `moment`."""
        return sorted(name for name, at in self.deletions.items() if at >= moment)

    async def __aenter__(self) -> Self:
        open_client: Callable[..., Awaitable[ApiClient]] = config.new_client_from_config
        self._client = await open_client(config_file=str(self.kubeconfig))
        self._tasks = [
            asyncio.create_task(self._follow(_list_deployments(self._client, self.namespace), self._deployment)),
            asyncio.create_task(self._follow(_list_pods(self._client, self.namespace), self._pod)),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        close: Callable[[], Awaitable[None]] = self._client.close
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        await close()
        for failure in ended:
            if not isinstance(failure, asyncio.CancelledError):
                raise RuntimeError("the watch ended by itself") from failure

    async def _follow(self, ask: Callable[..., Awaitable[Any]], take: Callable[[str, Json], None]) -> None:
        while True:
            try:
                found = await listed(await ask(_request_timeout=REQUEST_SECONDS))
                self._forget(found)
                for item in found["items"]:
                    take("LISTED", item)
                version = found["metadata"]["resourceVersion"]
                answer = await ask(watch=True, resource_version=version, timeout_seconds=WATCH_SECONDS)
                async for kind, item in events(answer):
                    take(kind, item)
            except (ApiException, aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(RETRY_SECONDS)

    def _forget(self, found: Json) -> None:
        """What went while the watch was cut."""
        if found["kind"] == "PodList":
            self.pods &= {item["metadata"]["name"] for item in found["items"]}

    def _deployment(self, kind: str, item: Json) -> None:
        self._wanted[item["metadata"]["name"]] = 0 if kind == "DELETED" else item["spec"]["replicas"]
        total = sum(self._wanted.values())
        if not self.history or total != self.replicas:
            self.history.append(Told(time.monotonic(), total))

    def _pod(self, kind: str, item: Json) -> None:
        name = item["metadata"]["name"]
        (self.pods.discard if kind == "DELETED" else self.pods.add)(name)
        if kind == "DELETED" or "deletionTimestamp" in item["metadata"]:
            self.deletions.setdefault(name, time.monotonic())


def _list_deployments(client: ApiClient, namespace: str) -> Callable[..., Awaitable[Any]]:
    api = AppsV1Api(client)

    def ask(**options: Any) -> Awaitable[Any]:
        return api.list_namespaced_deployment_without_preload_content(namespace, label_selector=SELECTOR, **options)

    return ask


def _list_pods(client: ApiClient, namespace: str) -> Callable[..., Awaitable[Any]]:
    api = CoreV1Api(client)

    def ask(**options: Any) -> Awaitable[Any]:
        return api.list_namespaced_pod_without_preload_content(namespace, label_selector=SELECTOR, **options)

    return ask
