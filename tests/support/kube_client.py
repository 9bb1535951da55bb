"""kubectl in one namespace for asynchronous tests: every call off the event loop, every wait with a deadline."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Json = dict[str, Any]


class Cluster(Protocol):
    """A cluster that kubectl can speak to, as the admin."""

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What `kubectl arguments…` prints; raises KubectlFailed."""


@dataclass(frozen=True)
class KubeClient:
    """Speaks as the admin."""

    plane: Cluster
    namespace: str

    async def do(self, *arguments: str, stdin: str | None = None) -> str:
        """What `kubectl arguments…` prints; raises KubectlFailed."""
        return await asyncio.to_thread(self.plane.kubectl, f"--namespace={self.namespace}", *arguments, stdin=stdin)

    async def apply(self, *manifests: Mapping[str, Any]) -> None:
        """Create or change objects of the namespace."""
        await self.do("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, manifests)))

    async def get(self, kind: str, name: str) -> Json:
        """One object."""
        found: Json = json.loads(await self.do("get", kind, name, "-o=json"))
        return found

    async def objects(self, kind: str, *options: str) -> list[Json]:
        """All objects of a kind."""
        items: list[Json] = json.loads(await self.do("get", kind, "-o=json", *options))["items"]
        return items

    async def status(self, name: str) -> Json:
        """The status of a WorkerQueue, {} before it has one."""
        found = await self.get("workerqueue", name)
        status: Json = found.get("status", {})
        return status

    async def condition(self, name: str, kind: str) -> Json:
        """A condition of a WorkerQueue, {} while it lacks it."""
        conditions = (await self.status(name)).get("conditions", [])
        return next((one for one in conditions if one["type"] == kind), {})

    async def events(self, name: str) -> list[tuple[str, str]]:
        """Reason and message of every event about a WorkerQueue, the oldest first."""
        found = await self.objects("events", f"--field-selector=involvedObject.name={name}")
        found.sort(key=lambda one: (one["lastTimestamp"], one["metadata"]["resourceVersion"]))
        return [(one["reason"], one["message"]) for one in found if one["involvedObject"]["kind"] == "WorkerQueue"]

    async def deployed(self, name: str) -> dict[str, int]:
        """Version → replicas, of the Deployments of a WorkerQueue."""
        found = await self.objects("deployments", f"-l=headrace.dev/queue={name}")
        return {one["metadata"]["labels"]["headrace.dev/version"]: one["spec"]["replicas"] for one in found}


async def until(said: Callable[[], Awaitable[object] | object], *, seconds: float = 30, every: float = 0.1) -> float:
    """Ask until the answer is true; how many seconds it took. Raises AssertionError with the last answer."""
    began = time.monotonic()
    while True:
        answer = said()
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer:
            return time.monotonic() - began
        assert time.monotonic() - began < seconds, f"not within {seconds:g} s; last answer: {answer!r}"
        await asyncio.sleep(every)
