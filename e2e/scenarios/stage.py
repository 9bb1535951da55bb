"""What every scenario plays on: a namespace with an operator, a Redis and a ledger, however they came to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from e2e.load.app import QUEUE
from e2e.load.generator import Lengths, Load
from e2e.scenarios.book import Book
from e2e.scenarios.cluster import Cluster
from e2e.scenarios.watching import Sight

from headrace import Fleet
from headrace.admin.queue_admin import QueueAdmin
from headrace_operator.cluster.api import Api
from support.kube_client import KubeClient, until

Json = dict[str, Any]
NAME: Final = "fleet"
"""The WorkerQueue."""
START_SECONDS: Final = 90.0
"""Within which pods must run on a busy machine."""


@dataclass(frozen=True)
class Reach:
    """A server as pods address it and as this process does."""

    inside: str
    outside: str


@dataclass(frozen=True)
class Stage:
    """The parts, and what scenarios do with them."""

    cluster: Cluster
    kube: KubeClient
    api: Api
    redis: Reach
    ledger: Reach
    producer: Fleet
    admin: QueueAdmin
    book: Book
    sight: Sight
    image: str
    environ: dict[str, str] = field(default_factory=dict)
    """For every worker."""

    def manifest(self, **spec: Any) -> Json:
        """The WorkerQueue; `spec` replaces whole fields."""
        return {
            "apiVersion": "headrace.dev/v1alpha1",
            "kind": "WorkerQueue",
            "metadata": {"name": NAME},
            "spec": {
                "redis": {"url": self.redis.inside},
                "queues": [{"name": QUEUE}],
                "worker": self.worker(),
                "scaling": scaling(),
                "drain": {"graceSeconds": 60},
                **spec,
            },
        }

    def worker(self, *, concurrency: int = 2, **environ: str) -> Json:
        """spec.worker; another `environ` is another version."""
        values = {"LEDGER_URL": self.ledger.inside, "LOG_FORMAT": "json", **self.environ, **environ}
        return {
            "app": "e2e.load.app",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "concurrency": concurrency,
            "env": [{"name": name, "value": value} for name, value in values.items()],
        }

    def load(self, source: Any, lengths: Lengths | None = None) -> Load:
        """A producer for this stage's queue."""
        return Load(self.producer, source, lengths or Lengths())

    async def apply(self, **spec: Any) -> None:
        """Make the WorkerQueue be `manifest(**spec)`, whatever it was, and wait until the operator has seen it."""
        await self.kube.apply(self.manifest(**spec))
        wanted = (await self.kube.get("workerqueue", NAME))["metadata"]["generation"]

        async def observed() -> bool:
            return bool((await self.kube.status(NAME)).get("observedGeneration") == wanted)

        await until(observed, seconds=START_SECONDS, every=0.2)

    async def begin_anew(self, **spec: Any) -> None:
        """Make the WorkerQueue be `manifest(**spec)`, and its version the first one, which has no trial."""
        await self.kube.do("delete", "workerqueue", NAME, "--ignore-not-found")
        await until(lambda: not self.sight.pods and not self.sight.deployments, seconds=START_SECONDS)
        await self.apply(**spec)

    async def scale(self, replicas: int | None) -> None:
        """Pin the fleet, or let it follow its work again."""
        pinned = "null" if replicas is None else str(replicas)
        await self.kube.do("patch", "wq", NAME, "--type=merge", f'--patch={{"spec":{{"replicas":{pinned}}}}}')

    async def has(self, workers: int, *, seconds: float = START_SECONDS) -> None:
        """Wait until exactly so many pods exist, and are ready."""
        await until(lambda: len(self.sight.pods) == len(self.sight.ready) == workers, seconds=seconds)

    async def only(self, version_count: int, workers: int, *, seconds: float) -> float:
        """Wait until so many versions are left, whose `workers` are the only pods; how long it took."""
        return await until(
            lambda: (
                len(self.sight.versions) == version_count
                and len(self.sight.pods) == len(self.sight.ready) == self.sight.wanted == workers
            ),
            seconds=seconds,
        )

    async def empty(self) -> None:
        """Wait until there are no pods and the operator has asked to be told of work; then turn to a new page."""

        async def so() -> bool:
            return not self.sight.pods and (await self.admin.stats()).asleep

        await until(so, seconds=START_SECONDS)
        self.sight.forget()
        self.book.turn()

    async def all_busy(self) -> bool:
        """Whether every ready worker runs something."""
        return {run.worker for run in await self.book.running()} >= set(self.sight.ready)

    async def finished(self, load: Load, *, seconds: float) -> None:
        """Wait until every job of `load` has ended well."""
        await until(lambda: self.book.done(load.acknowledged), seconds=seconds, every=0.25)

    async def says(self, kind: str, *, seconds: float = 60, **wanted: str) -> Json:
        """Wait until a condition of the WorkerQueue has those values, and return it."""
        found: Json = {}

        async def so() -> bool:
            found.update(await self.kube.condition(NAME, kind))
            return all(found.get(name) == value for name, value in wanted.items())

        await until(so, seconds=seconds, every=0.25)
        return found


def scaling(**changes: Any) -> Json:
    """spec.scaling that follows the work within seconds."""
    quick = {"minReplicas": 0, "maxReplicas": 4, "backlogPerReplica": 2, "tolerance": 0}
    return {**quick, "cooldownSeconds": 1, "stabilizationWindowSeconds": 0, **changes}
