"""What can break on a cluster between operator, API server and Redis, and how it is mended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from e2e.load.app import QUEUE
from e2e.scenarios.cluster import CONTROL_PLANE, NodeCommandError, address_of
from e2e.scenarios.failover import Failover
from e2e.scenarios.ground import ClusterGround, answers
from e2e.scenarios.servers import PASSWORD, service

from headrace.contract.keys import prefix
from headrace_operator.core.observation import Unknown
from operator_faults.ground import Break
from support.kube_client import until

Json = dict[str, Any]
API_PORT: Final = "6443"
API_SERVER: Final = "-l=component=kube-apiserver"


@dataclass
class NameGone:
    """The Service is deleted and its name with it; who connects anew finds nobody."""

    ground: ClusterGround

    async def begin(self) -> None:
        await self.ground.stage.kube.do("delete", "service", "redis")
        await self.ground.cut_operators()

    async def heal(self) -> None:
        await self.ground.stage.kube.apply(service("redis"))


@dataclass
class WrongPassword:
    """The password was changed at the server only."""

    ground: ClusterGround

    async def begin(self) -> None:
        await self.ground.let_in("another-one")

    async def heal(self) -> None:
        await self.ground.let_in(PASSWORD)


@dataclass
class RedisFrozen:
    """The server hangs: connections are accepted, and nothing is answered."""

    ground: ClusterGround

    async def begin(self) -> None:
        self._pod = await self.ground.server()
        await self.ground.stage.cluster.signal(self._pod, "STOP")

    async def heal(self) -> None:
        await self.ground.stage.cluster.signal(self._pod, "CONT")


@dataclass
class RedisGone:
    """No server stands behind the Service."""

    ground: ClusterGround

    async def begin(self) -> None:
        await self.ground.run_servers(0)

    async def heal(self) -> None:
        await self.ground.run_servers(1)


@dataclass
class RedisKilled:
    """The server's process is killed under everybody; the kubelet starts it again, with its data."""

    ground: ClusterGround

    async def begin(self) -> None:
        await self.ground.stage.cluster.signal(await self.ground.server(), "KILL")

    async def heal(self) -> None:
        await until(lambda: answers(self.ground.redis), seconds=60)


@dataclass
class WrongType:
    """Something else lies under the key of the scheduled jobs."""

    ground: ClusterGround

    async def begin(self) -> None:
        if await self.ground.redis.exists(self._key):
            await self.ground.redis.rename(self._key, f"aside:{self._key}")
        await self.ground.redis.set(self._key, "not a sorted set")

    async def heal(self) -> None:
        await self.ground.redis.delete(self._key)
        if await self.ground.redis.exists(f"aside:{self._key}"):
            await self.ground.redis.rename(f"aside:{self._key}", self._key)

    @property
    def _key(self) -> str:
        return f"{prefix(QUEUE)}sched"


@dataclass
class ApiServerDown:
    """Nobody answers at the API server's port: every connection is reset, the open ones too.

    Not those of its own node: the controllers and the scheduler would restart, which takes longer than the outage.
    """

    ground: ClusterGround

    async def begin(self) -> None:
        [node, *_] = await self.ground.stage.kube.objects("nodes", f"-l={CONTROL_PLANE}")
        self._node, self._address = node["metadata"]["name"], address_of(node)
        await self._rules("-I")

    async def heal(self) -> None:
        await self._rules("-D")

    async def _rules(self, verb: str) -> None:
        for chain, port, other in (("INPUT", "--dport", "-s"), ("OUTPUT", "--sport", "-d")):
            refuse = (
                "-p",
                "tcp",
                port,
                API_PORT,
                "!",
                other,
                self._address,
                "-j",
                "REJECT",
                "--reject-with",
                "tcp-reset",
            )
            await self.ground.stage.cluster.on_node(self._node, "iptables", "-w", verb, chain, *refuse)


@dataclass
class ApiServerFrozen:
    """The API server accepts connections and answers nothing."""

    ground: ClusterGround

    async def begin(self) -> None:
        [self._pod, *_] = await self.ground.stage.kube.objects("pods", "-n=kube-system", API_SERVER)
        await self._signal("STOP")

    async def heal(self) -> None:
        await self._signal("CONT")

    async def _signal(self, name: str) -> None:
        node = self._pod["spec"]["nodeName"]
        await self.ground.stage.cluster.on_node(node, "pkill", f"-{name}", "-x", "kube-apiserver")


@dataclass
class LeaderKilled:
    """kill -9 of the operator that leads; another one takes over."""

    ground: ClusterGround

    async def begin(self) -> None:
        await self.ground.stage.cluster.signal(await self.ground.leader(), "KILL")

    async def heal(self) -> None:
        """Nothing: its container is started anew."""


@dataclass
class LeaderFrozen:
    """The operator that leads stands still, and later goes on as if nothing had been."""

    ground: ClusterGround

    async def begin(self) -> None:
        self._pod = await self.ground.leader()
        await self.ground.stage.cluster.signal(self._pod, "STOP")

    async def heal(self) -> None:
        with suppress(NodeCommandError):  # the kubelet has killed it meanwhile, for its silence
            await self.ground.stage.cluster.signal(self._pod, "CONT")


@dataclass(frozen=True)
class Fault:
    """How to break it here, and what people must be told meanwhile."""

    name: str
    make: Callable[[ClusterGround], Break]
    says: Unknown | None = None
    takes_jobs: bool = True
    """Jobs can be enqueued meanwhile."""
    lasts: bool = True
    """There is a time until it is healed; else it is a blow."""


FAULTS: Final = (
    Fault("name-gone", NameGone, Unknown.NAME_NOT_RESOLVED),
    Fault("wrong-password", WrongPassword, Unknown.ACCESS_DENIED),
    Fault("redis-frozen", RedisFrozen, Unknown.TIMED_OUT, takes_jobs=False),
    Fault("redis-gone", RedisGone, Unknown.UNREACHABLE, takes_jobs=False),
    Fault("redis-killed", RedisKilled, takes_jobs=False, lasts=False),
    Fault("redis-failover", Failover, Unknown.UNREACHABLE, takes_jobs=False),
    Fault("wrong-type", WrongType, Unknown.WRONG_DATA),
    Fault("api-down", ApiServerDown),
    Fault("api-frozen", ApiServerFrozen),
    Fault("leader-killed", LeaderKilled, lasts=False),
    Fault("leader-frozen", LeaderFrozen),
)
