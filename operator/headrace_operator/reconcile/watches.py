"""The Redis servers that are watched: one RedisWatch each, made when first needed and ended with its last queue."""

from __future__ import annotations

import asyncio
import logging

from headrace.wire.target import Target
from headrace_operator.reconcile.redis_watch import RedisWatch
from headrace_operator.reconcile.settings import ReconcileSettings

log = logging.getLogger(__name__)

_RESTART = 1.0
"""Seconds before a watch that failed in an unforeseen way is run again."""


class Watches:
    """Runs its watches in the task group of the loop."""

    def __init__(self, group: asyncio.TaskGroup, settings: ReconcileSettings) -> None:
        self._group = group
        self._settings = settings
        self._running: dict[Target, tuple[RedisWatch, asyncio.Task[None]]] = {}

    def open(self, target: Target) -> RedisWatch:
        """The watch of that server."""
        if target not in self._running:
            watch = RedisWatch(target, self._settings)
            self._running[target] = watch, self._group.create_task(_run(watch, target))
        return self._running[target][0]

    def close_unused(self) -> None:
        """End the watches that nobody follows."""
        for target, (watch, task) in list(self._running.items()):
            if watch.unused:
                del self._running[target]
                task.cancel()

    def close(self) -> None:
        """End all."""
        for _, task in self._running.values():
            task.cancel()
        self._running.clear()


async def _run(watch: RedisWatch, target: Target) -> None:
    while True:
        try:
            await watch.run()
        except* Exception:
            log.exception("the watch of %s failed; it goes on", target.redacted)
        await asyncio.sleep(_RESTART)
