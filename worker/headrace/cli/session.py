"""Runs one command's coroutine against one queue or server and closes what it opened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from headrace.admin.queue_admin import QueueAdmin
from headrace.contract.keys import check_queue_name
from headrace.errors import ConfigError
from headrace.wire.blocking_node import BlockingNode, finish
from headrace.wire.link import CALL_TIMEOUT, Link
from headrace.wire.target import Target, parse_target

T = TypeVar("T")
_NAME: Final = "headrace-cli"
"""Of the connection."""


def with_link(redis_url: str, work: Callable[[Link], Awaitable[T]]) -> T:
    """Run `work` with a link to that server. Raises ConfigError for a wrong URL and what `work` raises."""
    return _over_asyncio(_target(redis_url), work)


def with_queue(redis_url: str, queue: str, work: Callable[[QueueAdmin], Awaitable[T]]) -> T:
    """Run `work` with the operations of one queue. Raises ConfigError for a wrong name before connecting."""
    check_queue_name(queue)
    return with_link(redis_url, lambda link: work(QueueAdmin(link, queue)))


def ask_link(redis_url: str, work: Callable[[Link], Awaitable[T]]) -> T:
    """The same for `work` that awaits nothing but the link: without asyncio, unless it is needed to find the server."""
    target = _target(redis_url)
    if target.found_by is not None:
        return _over_asyncio(target, work)
    return finish(_run(Link(target, nodes=BlockingNode(target, _NAME, CALL_TIMEOUT)), work))


def ask_queue(redis_url: str, queue: str, work: Callable[[QueueAdmin], Awaitable[T]]) -> T:
    """The same with the operations of one queue."""
    check_queue_name(queue)
    return ask_link(redis_url, lambda link: work(QueueAdmin(link, queue)))


def _over_asyncio(target: Target, work: Callable[[Link], Awaitable[T]]) -> T:
    import asyncio

    return asyncio.run(_run(Link(target, name=_NAME), work))


async def _run(link: Link, work: Callable[[Link], Awaitable[T]]) -> T:
    try:
        return await work(link)
    finally:
        await link.close()


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
