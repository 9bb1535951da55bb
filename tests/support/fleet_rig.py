"""The operator's loop with its memory twins on a real Redis: people's moves on one side, a worker's on the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from headrace.admin.queue_admin import QueueAdmin
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from headrace_operator.api.names import API_VERSION, KIND, QueueKey
from headrace_operator.api.spec import SecretKey
from headrace_operator.api.status import Condition, WorkerQueueStatus
from headrace_operator.cluster.errors import NotLeadingError
from headrace_operator.core.conditions import ConditionType, condition
from headrace_operator.objects.memory import MemoryObjects
from headrace_operator.operate.counts import Counts
from headrace_operator.reconcile.addresses import SpecAddresses
from headrace_operator.reconcile.controller import Controller
from headrace_operator.reconcile.settings import ReconcileSettings
from headrace_operator.runtimes.memory import MemoryRuntime
from headrace_operator.seams.errors import SecretUnusableError
from support.seeding import Seeder

FAST = ReconcileSettings(
    cluster="test",
    gate=False,
    poll=0.1,
    poll_busy=0.05,
    redis_timeout=0.5,
    moving=0.05,
    rest=5.0,
    aim_settle=0.1,
    audit_every=0,
)
GATED = replace(FAST, gate=True)
BY_SIGNAL = ReconcileSettings(
    cluster="test", poll=60, poll_busy=60, redis_timeout=0.5, moving=60, rest=60, audit_every=0
)
"""Polls so seldom that a test ends before: what happens in time happens because it was heard of."""
PATIENCE = 30.0


class MemorySecrets:
    """Secrets of a test."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    async def read(self, key: QueueKey, secret: SecretKey) -> str:
        if secret.name not in self.values:
            raise SecretUnusableError(f"there is no Secret {secret.name} in {key.namespace}")
        return self.values[secret.name]


class Live(Counts):
    """Counts, and keeps the last statuses, written or not."""

    def __init__(self) -> None:
        super().__init__()
        self.statuses: dict[QueueKey, WorkerQueueStatus] = {}

    def status(self, key: QueueKey, status: WorkerQueueStatus) -> None:
        super().status(key, status)
        self.statuses[key] = status


class Rig:
    """One operator, begun by `running`; another one on the same world stands for its restart."""

    def __init__(self, url: str, settings: ReconcileSettings = FAST) -> None:
        self.url = url
        self.settings = settings
        self.objects = MemoryObjects()
        self.runtime = MemoryRuntime(instant=True)
        self.secrets = MemorySecrets()
        self.link = Link(parse_target(url))
        self.live = Live()
        self.allowed_hosts: tuple[str, ...] = ()
        """What the next operator may connect to; none means anything."""
        self.leading = True
        self.ahead = 0.0
        """Seconds that the operator's clock shows beyond the real time."""
        self.controller = self._controller()

    def _controller(self) -> Controller:
        addresses = SpecAddresses(self.secrets, self.allowed_hosts)
        return Controller(
            *(self.runtime, self.objects, addresses, self.settings),
            now=lambda: time.time() + self.ahead,
            listener=self.live,
            fence=self._check_leading,
        )

    def _check_leading(self) -> None:
        if not self.leading:
            raise NotLeadingError("another process may lead by now")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The loop runs within the block; entered again, a new operator does."""
        self.controller = self._controller()
        self.objects.drop_subscribers()
        loop = asyncio.create_task(self.controller.run())
        try:
            yield
            assert not loop.done(), "the loop must not end"
        finally:
            loop.cancel()
            await asyncio.wait([loop])
            await self.link.close()

    def apply(self, name: str = "emails", *, queue: str = "q", url: str | None = None, **spec: Any) -> QueueKey:
        """A WorkerQueue that scales at once and without delay."""
        scaling = {"backlogPerReplica": 10, "cooldownSeconds": 0, "stabilizationWindowSeconds": 0, "tolerance": 0}
        scaling |= spec.pop("scaling", {})
        given = {"redis": {"url": url or self.url}, "queues": [{"name": queue}], "worker": {"app": "app"}}
        document = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}}
        return self.objects.apply(document | {"spec": given | {"scaling": scaling} | spec})

    def status(self, key: QueueKey) -> WorkerQueueStatus | None:
        """As last written."""
        return next((status for written, status in reversed(self.objects.writes) if written == key), None)

    def condition(self, key: QueueKey, kind: ConditionType) -> Condition | None:
        """As last written."""
        return condition(self.status(key), kind)

    async def workers(self, key: QueueKey) -> int:
        """Workers asked for."""
        return sum(version.desired for version in await self.runtime.versions(key))

    async def says(self, key: QueueKey, what: str, is_so: Callable[[WorkerQueueStatus], bool]) -> WorkerQueueStatus:
        """Wait until the last status, written or not, is so; that status."""

        async def holds() -> bool:
            return key in self.live.statuses and is_so(self.live.statuses[key])

        await until(f"the status of {key}: {what}", holds)
        return self.live.statuses[key]

    def seeder(self, queue: str = "q", sid: str = "s1") -> Seeder:
        """A producer and a worker."""
        return Seeder(self.link, queue, sid)

    def admin(self, queue: str = "q") -> QueueAdmin:
        """A person."""
        return QueueAdmin(self.link, queue)

    async def has_workers(self, key: QueueKey, count: int) -> None:
        """Wait until so many are asked for."""

        async def is_so() -> bool:
            return await self.workers(key) == count

        await until(f"{key} has {count} workers", is_so)

    async def reason(self, key: QueueKey, kind: ConditionType, reason: str) -> None:
        """Wait until a condition has that reason."""

        async def is_so() -> bool:
            found = self.condition(key, kind)
            return found is not None and found.reason == reason

        await until(f"{kind} of {key} is {reason}", is_so)

    async def at_rest(self, queue: str = "q") -> None:
        """Wait until the queue is marked asleep, so that the next enqueue is signalled."""

        async def is_so() -> bool:
            return (await self.admin(queue).stats()).asleep

        await until(f"{queue} is asleep", is_so)


async def until(what: str, is_so: Callable[[], Awaitable[bool]], patience: float = PATIENCE) -> float:
    """Wait with a deadline; the seconds that it took."""
    began = time.monotonic()
    while not await is_so():
        assert time.monotonic() - began < patience, f"still not: {what}"
        await asyncio.sleep(0.005)
    return time.monotonic() - began


def redis_spec(secret: str) -> Mapping[str, Any]:
    """A `redis` part that names a Secret."""
    return {"urlSecretRef": {"name": secret, "key": "url"}}
