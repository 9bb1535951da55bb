"""The loop of Schedules on objects in memory and a real Redis: people's moves on one side, workers' on the other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from headrace.admin.queue_admin import QueueAdmin
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from headrace_operator.api.names import API_VERSION, KIND, QueueKey, ScheduleKey
from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.cluster.errors import NotLeadingError
from headrace_operator.core.schedule_summary import condition
from headrace_operator.objects.memory import MemoryObjects, MemorySchedules
from headrace_operator.reconcile.addresses import SpecAddresses
from headrace_operator.schedules.controller import ScheduleController
from headrace_operator.schedules.settings import ScheduleSettings
from support.bad_queues import patched
from support.bad_schedules import SCHEMAS, good_schedule
from support.fleet_rig import MemorySecrets, until
from support.seeding import Seeder

FAST = ScheduleSettings(
    rest=0.1, schemas=0.05, patience=0.2, redis_timeout=0.5, look_timeout=2, retry_base=0.05, retry_cap=1
)
NIGHTLY = ScheduleKey("default", "nightly")
NEVER_SOON = "0 0 29 2 *"


class ScheduleRig:
    """One operator, begun by `running`; another one on the same world stands for its restart, or for a second one."""

    def __init__(self, url: str, settings: ScheduleSettings = FAST) -> None:
        self.url = url
        self.settings = settings
        self.objects, self.schedules = MemoryObjects(), MemorySchedules()
        self.link = Link(parse_target(url))
        self.leading = True

    @classmethod
    async def served(cls, url: str) -> ScheduleRig:
        """Beside a WorkerQueue whose workers have said what they know."""
        made = cls(url)
        made.serve()
        await made.publish()
        return made

    def controller(self) -> ScheduleController:
        """A new operator's loop."""
        return ScheduleController(
            self.schedules, self.objects, SpecAddresses(MemorySecrets()), self.settings, fence=self._check_leading
        )

    def _check_leading(self) -> None:
        if not self.leading:
            raise NotLeadingError("another process may lead by now")

    @asynccontextmanager
    async def running(self, operators: int = 1) -> AsyncIterator[None]:
        """So many loops run within the block."""
        self.objects.drop_subscribers()
        self.schedules.drop_subscribers()
        loops = [asyncio.create_task(self.controller().run()) for _ in range(operators)]
        try:
            yield
            assert not any(loop.done() for loop in loops), "no loop must end"
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.wait(loops)
            await self.link.close()

    def serve(self, name: str = "emails", queue: str = "q", url: str | None = None) -> QueueKey:
        """A WorkerQueue."""
        spec = {"redis": {"url": url or self.url}, "queues": [{"name": queue}], "worker": {"app": "app"}}
        return self.objects.apply({"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec})

    async def publish(self, queue: str = "q", schemas: dict[str, dict[str, Any]] | None = None) -> None:
        """What workers do when they start."""
        for task, schema in (SCHEMAS if schemas is None else schemas).items():
            await Seeder(self.link, queue).raw("HSET", "schemas", task, json.dumps(schema))

    def apply(self, **patch: object) -> ScheduleKey:
        """The good Schedule, changed: `spec__cron=…` stands for that path."""
        return self.schedules.apply(
            patched(good_schedule(), {path.replace("__", "."): value for path, value in patch.items()})
        )

    def admin(self, queue: str = "q") -> QueueAdmin:
        """A person."""
        return QueueAdmin(self.link, queue)

    def uid(self, key: ScheduleKey = NIGHTLY) -> str:
        """By which Redis knows it."""
        return self.schedules.get(key).metadata.uid

    def status(self, key: ScheduleKey = NIGHTLY) -> ScheduleStatus:
        """As last written."""
        return self.schedules.get(key).status or ScheduleStatus()

    def reason(self, key: ScheduleKey = NIGHTLY) -> str:
        """Of the condition Ready, as last written."""
        ready = condition(self.status(key))
        return ready.reason if ready else ""

    async def is_reason(self, reason: str, key: ScheduleKey = NIGHTLY) -> None:
        """Wait until that is the reason."""

        async def is_so() -> bool:
            return self.reason(key) == reason

        try:
            await until(f"{key} is {reason}", is_so)
        except AssertionError as error:
            raise AssertionError(f"{error}: {condition(self.status(key))}") from None

    async def jobs(self, queue: str = "q") -> int:
        """Jobs that wait."""
        return (await self.admin(queue).stats()).ready

    async def has_jobs(self, count: int, queue: str = "q") -> None:
        """Wait until at least so many wait."""

        async def is_so() -> bool:
            return await self.jobs(queue) >= count

        await until(f"{count} jobs in {queue}", is_so)

    def told(self, key: ScheduleKey = NIGHTLY) -> list[str]:
        """Reasons of the events, in order."""
        return [event.reason for event in self.schedules.events if event.key == key]
