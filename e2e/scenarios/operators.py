"""The operator's processes in a stage's namespace: who leads, who has ever lived, and how one is put to death."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from e2e.scenarios.cluster import NodeCommandError
from e2e.scenarios.stage import Stage

from headrace_operator.cluster.errors import ApiError, ApiNotFoundError
from support.kube_client import until

Json = dict[str, Any]
OPERATOR: Final = "app.kubernetes.io/name=headrace-operator"
LEASE: Final = "headrace"
LOOK_EVERY: Final = 0.2
VICTIM_SECONDS: Final = 330.0
"""Within which there must be somebody to kill: a kubelet lets a container that died often wait for five minutes."""


@dataclass
class Operators:
    """What was seen of them so far. Raises ApiError where the API server doesn't answer."""

    stage: Stage
    processes: set[str] = field(default_factory=set)
    """Ids of containers that have run."""
    leaders: set[str] = field(default_factory=set)
    """Holders of the Lease; each process has an identity of its own."""

    async def look(self) -> None:
        """Note who is there."""
        for pod in await self._pods():
            for container in pod.get("status", {}).get("containerStatuses", ()):
                ended = container.get("lastState", {}).get("terminated", {}).get("containerID", "")
                self.processes |= {container.get("containerID", ""), ended} - {""}
        self.leaders |= {await self._holder()} - {""}

    async def blow(self, number: int, source: random.Random) -> bool:
        """End one at once: by turns the leader and anyone, two by kill -9, then two by deletion. True: it has led."""
        victim: Json = {}
        led = False

        async def struck() -> bool:
            nonlocal led
            holder = (await self._holder()).rpartition("_")[0]
            alive = [pod for pod in await self._pods() if _runs(pod)]
            meant = [pod for pod in alive if _name(pod) == holder] if number % 2 == 0 else alive
            if not meant:
                return False
            victim.update(source.choice(meant))
            led = _name(victim) == holder
            return await self._kill(victim) if number // 2 % 2 == 0 else await self._delete(victim)

        await until(struck, seconds=VICTIM_SECONDS, every=LOOK_EVERY)
        return led

    async def all_there(self) -> None:
        """Wait until each replica runs and one leads."""
        await self.stage.kube.do("rollout", "status", "deployment", "headrace", f"--timeout={VICTIM_SECONDS:g}s")
        await self.look()

    async def _kill(self, pod: Json) -> bool:
        """kill -9, from the node."""
        try:
            await self.stage.cluster.signal(pod, "KILL")
        except NodeCommandError:  # it has ended since
            return False
        return True

    async def _delete(self, pod: Json) -> bool:
        """As who is in a hurry deletes a pod: the API server forgets it at once."""
        await self.stage.kube.do("delete", "pod", _name(pod), "--grace-period=0", "--force", "--wait=false")
        return True

    async def _pods(self) -> list[Json]:
        path = f"/api/v1/namespaces/{self.stage.kube.namespace}/pods"
        found: list[Json] = (await self.stage.api.get(path, {"labelSelector": OPERATOR}))["items"]
        return found

    async def _holder(self) -> str:
        folder = f"/apis/coordination.k8s.io/v1/namespaces/{self.stage.kube.namespace}/leases"
        try:
            return (await self.stage.api.get(f"{folder}/{LEASE}"))["spec"].get("holderIdentity") or ""
        except ApiNotFoundError:
            return ""


@asynccontextmanager
async def followed_operators(stage: Stage) -> AsyncIterator[Operators]:
    """They are looked at all the time until the end of the block."""
    operators = Operators(stage)
    await operators.all_there()

    async def follow() -> None:
        while True:
            with suppress(ApiError):
                await operators.look()
            await asyncio.sleep(LOOK_EVERY)

    following = asyncio.create_task(follow())
    try:
        yield operators
    finally:
        following.cancel()
        await asyncio.wait({following})


def _name(pod: Json) -> str:
    name: str = pod["metadata"]["name"]
    return name


def _runs(pod: Json) -> bool:
    """Whether its process is there and nobody has told it to end."""
    containers = pod.get("status", {}).get("containerStatuses", ())
    alive = bool(containers) and all("running" in container["state"] for container in containers)
    return alive and "deletionTimestamp" not in pod["metadata"]
