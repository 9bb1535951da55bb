"""Runs one command's coroutine against one queue or server and closes what it opened."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from headrace.admin.queue_admin import QueueAdmin
from headrace.contract.keys import check_queue_name
from headrace.errors import ConfigError
from headrace.wire.link import Link
from headrace.wire.target import Target, parse_target

T = TypeVar("T")


def with_link(redis_url: str, work: Callable[[Link], Awaitable[T]]) -> T:
    """Run `work` with a link to that server. Raises ConfigError for a wrong URL and what `work` raises."""
    target = _target(redis_url)

    async def run() -> T:
        link = Link(target, name="headrace-cli")
        try:
            return await work(link)
        finally:
            await link.close()

    return asyncio.run(run())


def with_queue(redis_url: str, queue: str, work: Callable[[QueueAdmin], Awaitable[T]]) -> T:
    """Run `work` with the operations of one queue. Raises ConfigError for a wrong name before connecting."""
    check_queue_name(queue)
    return with_link(redis_url, lambda link: work(QueueAdmin(link, queue)))


def _target(redis_url: str) -> Target:
    """Raises ConfigError, also for another broker's URL."""
    setting = "--redis-url or REDIS_URL"
    try:
        return parse_target(redis_url, setting)
    except ConfigError:
        # None of Redis': only now are the other brokers worth their import.
        from headrace.brokers.capabilities import Feature
        from headrace.brokers.sources import source_of

        source_of(redis_url, setting).capabilities.require(Feature.OPERATOR, "this command")
        raise
