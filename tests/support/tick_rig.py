"""One schedule's record in Redis, asked step by step with the clock held."""

from __future__ import annotations

from typing import Any, Final, cast

from headrace.admin.handle import QueueHandle
from headrace.admin.schedules import Concurrency, Fired, ScheduleRecord, Schedules
from headrace.wire.link import Link
from support.held_link import HeldLink
from support.queue_driver import QueueDriver, value

UID: Final = "8f14e45f-ceea-467f"
NAME: Final = "shop/nightly"
HOUR: Final = 3_600_000


class TickRig:
    """One schedule on a queue whose clock stands."""

    def __init__(self, driver: QueueDriver) -> None:
        self.driver = driver
        self.start = driver.now_ms
        self.schedules = Schedules(QueueHandle(cast("Link", HeldLink(driver)), driver.queue))

    async def settle(self, **terms: object) -> ScheduleRecord:
        stated = {"name": NAME, "timing": "daily", "suspended": False, "created_ms": self.start - 10} | terms
        return await self.schedules.settle_terms(UID, **stated)  # type: ignore[arg-type]

    async def fire(
        self, tick: int, concurrency: Concurrency = Concurrency.ALLOW, *, seen: ScheduleRecord | None = None, **how: Any
    ) -> Fired:
        seen = seen or await self.schedules.look(UID)
        return await self.schedules.fire(UID, tick, seen=seen, value=value(), concurrency=concurrency, **how)

    async def now(self, request: str, concurrency: Concurrency = Concurrency.ALLOW, **how: Any) -> Fired:
        return await self.schedules.run_now(UID, request, value=value(), concurrency=concurrency, **how)

    def id(self, tick: int) -> str:
        return f"{UID}:{tick}"
