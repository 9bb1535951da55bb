"""Watches on a namespace's Deployments and pods, from which scenarios count: they miss nothing between two looks.

Judges nothing. Times are this machine's clock at the arrival of the event, Unix seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from headrace_operator.api.names import QUEUE_LABEL, VERSION_LABEL
from headrace_operator.cluster.api import Api
from headrace_operator.cluster.errors import ApiError
from headrace_operator.runtimes.kubernetes.pods import COST_ANNOTATION

Json = dict[str, Any]
PAUSE: Final = 0.2
SYNC_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Deletion:
    """The moment at which a pod was told to end."""

    pod: str
    version: str
    at: float
    cost: int
    """Its deletion cost by then; 0 if it had none."""

    @property
    def aimed(self) -> bool:
        """Whether somebody had marked it as the cheapest to delete."""
        return self.cost < 0


@dataclass(frozen=True)
class Asked:
    """A Deployment's replicas as they were seen to change."""

    version: str
    replicas: int
    at: float


@dataclass
class Sight:
    """What the watches have shown since `forget`."""

    pods: dict[str, Json] = field(default_factory=dict)
    """uid → pod that exists now and whose containers have not all ended."""
    deployments: dict[str, Json] = field(default_factory=dict)
    most_pods: int = 0
    """The most pods at one time, terminating ones included."""
    fewest_ready: int | None = None
    """The fewest ready pods at one time that nobody had told to end."""
    deletions: list[Deletion] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    lowest_sum: int | None = None
    """The fewest workers asked for at one time, over all versions."""

    def forget(self) -> None:
        """Count anew from what there is now."""
        self.deletions.clear()
        self.asked.clear()
        self.most_pods = len(self.pods)
        self.fewest_ready = len(self.ready)
        self.lowest_sum = self.wanted

    @property
    def wanted(self) -> int:
        """Workers asked for now."""
        return sum(one["spec"]["replicas"] for one in self.deployments.values())

    @property
    def versions(self) -> dict[str, int]:
        """Version → workers asked for now."""
        return {_version(one): one["spec"]["replicas"] for one in self.deployments.values()}

    @property
    def live(self) -> list[str]:
        """Names of the pods that nobody has told to end."""
        return [_name(pod) for pod in self.pods.values() if "deletionTimestamp" not in pod["metadata"]]

    @property
    def ready(self) -> list[str]:
        """Names of the live pods that are ready."""
        return [
            _name(pod)
            for pod in self.pods.values()
            if "deletionTimestamp" not in pod["metadata"] and _is_ready(pod.get("status", {}))
        ]

    def node(self, pod: str) -> str:
        """The node that a pod is on, '' when there is no such pod."""
        return next((one["spec"].get("nodeName", "") for one in self.pods.values() if _name(one) == pod), "")

    def take_pod(self, kind: str, pod: Json) -> None:
        """One event of the pods' watch."""
        uid = pod["metadata"]["uid"]
        known = self.pods.get(uid)
        gone = kind == "DELETED" or pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
        told = "deletionTimestamp" in pod["metadata"]
        if told and known is not None and "deletionTimestamp" not in known["metadata"]:
            cost = int((pod["metadata"].get("annotations") or {}).get(COST_ANNOTATION, "0"))
            self.deletions.append(Deletion(_name(pod), _version(pod), time.time(), cost))
        if gone:
            self.pods.pop(uid, None)
        else:
            self.pods[uid] = pod
        self.most_pods = max(self.most_pods, len(self.pods))
        self.fewest_ready = min(len(self.ready), len(self.ready) if self.fewest_ready is None else self.fewest_ready)

    def take_deployment(self, kind: str, deployment: Json) -> None:
        """One event of the Deployments' watch."""
        uid, replicas = deployment["metadata"]["uid"], deployment["spec"]["replicas"]
        before = self.deployments.get(uid, {}).get("spec", {}).get("replicas", 0)
        if kind == "DELETED":
            self.deployments.pop(uid, None)
            replicas = 0
        else:
            self.deployments[uid] = deployment
        if replicas != before:
            self.asked.append(Asked(_version(deployment), replicas, time.time()))
        self.lowest_sum = min(self.wanted, self.wanted if self.lowest_sum is None else self.lowest_sum)


@asynccontextmanager
async def watching(api: Api, namespace: str) -> AsyncIterator[Sight]:
    """Watch the workers of a namespace; synced once entered."""
    sight = Sight()
    followed = (
        (f"/api/v1/namespaces/{namespace}/pods", sight.take_pod, sight.pods.values),
        (
            f"/apis/apps/v1/namespaces/{namespace}/deployments",
            sight.take_deployment,
            sight.deployments.values,
        ),
    )
    synced = [asyncio.Event() for _ in followed]
    tasks = [asyncio.create_task(_follow(api, *one, event)) for one, event in zip(followed, synced, strict=True)]
    try:
        async with asyncio.timeout(SYNC_SECONDS):
            for event in synced:
                await event.wait()
        sight.forget()
        yield sight
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _follow(
    api: Api,
    path: str,
    take: Callable[[str, Json], None],
    known: Callable[[], Iterable[Json]],
    synced: asyncio.Event,
) -> None:
    """List and watch until cancelled, through outages of the API server."""
    selector = {"labelSelector": f"{QUEUE_LABEL},{VERSION_LABEL}"}
    while True:
        try:
            listed = await api.get(path, selector)
            there = {item["metadata"]["uid"] for item in listed["items"]}
            for item in [one for one in known() if one["metadata"]["uid"] not in there]:
                take("DELETED", item)
            for item in listed["items"]:
                take("ADDED", item)
            synced.set()
            version = listed["metadata"]["resourceVersion"]
            query = selector | {"watch": "true", "resourceVersion": version, "timeoutSeconds": "240"}
            query |= {"allowWatchBookmarks": "true"}
            async with api.stream(path, query) as events:
                async for event in events:
                    if event["type"] == "ERROR":
                        break
                    if event["type"] != "BOOKMARK":
                        take(event["type"], event["object"])
        except ApiError:
            await asyncio.sleep(PAUSE)


def _name(item: Json) -> str:
    name: str = item["metadata"]["name"]
    return name


def _version(item: Json) -> str:
    version: str = item["metadata"]["labels"][VERSION_LABEL]
    return version


def _is_ready(status: Json) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", ()))
