"""A worker's link to a queue whose clock is held by a test."""

from __future__ import annotations

import random
from typing import Any

from headrace.errors import QueueUnavailableError
from support.queue_driver import QueueDriver


class HeldLink:
    """Runs scripts by the held clock; may lose a call on its way, or its reply."""

    def __init__(self, driver: QueueDriver, chance: random.Random | None = None) -> None:
        self._driver = driver
        self._chance = chance

    async def run(self, name: str, prefix: str, *args: Any, timeout: float | None = None) -> Any:
        if self._chance and self._chance.random() < 0.15:
            raise QueueUnavailableError("lost on its way")
        reply = await self._driver.run(name, *args)
        if self._chance and self._chance.random() < 0.15:
            raise QueueUnavailableError("the reply was lost")
        return reply
