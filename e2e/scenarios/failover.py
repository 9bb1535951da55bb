"""The queue's Redis fails over on a cluster: the primary dies for good, and its replica takes its place.

As with any asynchronous replication, what a primary acknowledges and doesn't pass on dies with it. Here the replica has
everything that was acknowledged before the blow, and the jobs that must not be lost are of that time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from e2e.scenarios.ground import REDIS, ClusterGround, answers, outsider
from e2e.scenarios.servers import OUTSIDE, PORT, outside_url, server_manifests

from support.kube_client import until
from support.replication import catch_up, follow, hand_over, promote

SPARE: Final = "redis-spare"
START_SECONDS: Final = 60.0


@dataclass(frozen=True)
class PodServer:
    """A server of that name that runs; see support.replication.Server. Another pod has another host."""

    name: str
    url: str
    host: str
    port: int = PORT


@dataclass
class Failover:
    """The primary is killed and not started again. Healing promotes its replica and points the Service to it.

    The fleet and the Service's name are told nothing. It stays so until `fail_back`.
    """

    ground: ClusterGround
    _replica: PodServer | None = None

    async def begin(self) -> None:
        primary, replica = await _started(self.ground, REDIS), await _started(self.ground, SPARE)
        await follow(replica, primary)
        self._replica = replica
        pod = await self.ground.server()
        await catch_up(replica, primary)
        # A server that is asked to end waits for its replicas first; a frozen one is killed for its silence.
        await self.ground.stage.cluster.signal(pod, "STOP")
        await self.ground.run_servers(0)

    async def heal(self) -> None:
        if self._replica is not None:
            await promote(self._replica)
            await self.ground.serve_from(SPARE, self._replica.url)


async def fail_back(ground: ClusterGround) -> None:
    """Make the first server the primary again after a failover, with everything; the other one goes."""
    if ground.serving == REDIS:
        return
    spare, first = await _started(ground, SPARE), await _started(ground, REDIS)
    await follow(first, spare)
    await hand_over(spare, first)
    await ground.serve_from(REDIS, first.url)
    await ground.run_servers(0, SPARE)
    await ground.stage.kube.do("delete", f"deployment/{SPARE}", f"service/{SPARE}{OUTSIDE}")


async def _started(ground: ClusterGround, name: str) -> PodServer:
    """The server of that name, on the data that it had when it last ran, if it ran."""
    stage = ground.stage
    await stage.kube.apply(*server_manifests(name, stage.kube.namespace, stage.cluster.images.redis))
    await ground.run_servers(1, name)
    url = await outside_url(stage.kube, name)
    async with outsider(url) as client:
        await until(lambda: answers(client), seconds=START_SECONDS)
    return PodServer(name, url, (await ground.server(name))["status"]["podIP"])
