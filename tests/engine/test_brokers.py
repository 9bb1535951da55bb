"""Every broker passes the suite that users of their own brokers are given."""

from __future__ import annotations

import asyncio

import pytest

from headrace.brokers.layout import STREAMS
from headrace.brokers.memory.source import CAPABILITIES as MEMORY
from headrace.brokers.redis import CAPABILITIES as REDIS
from headrace.brokers.sources import source_of
from headrace.testing import MemorySource, VirtualClock
from headrace.testing.conformance import Bench, Check, checks_for
from support.streams_state import streams_url


async def passes(check: Check, bench: Bench) -> None:
    try:
        await check.run(bench)
    finally:
        await bench.close()


@pytest.mark.parametrize("check", checks_for(MEMORY), ids=str)
async def test_memory_on_a_clock_of_its_own(check: Check) -> None:
    clock = VirtualClock()

    async def pass_time(seconds: float) -> None:
        clock.advance(seconds)

    await passes(check, Bench(MemorySource(clock), pass_time))


@pytest.mark.parametrize("check", checks_for(MEMORY), ids=str)
async def test_memory_on_the_clock_of_the_machine(check: Check) -> None:
    await passes(check, Bench(MemorySource(), asyncio.sleep))


@pytest.mark.everywhere
@pytest.mark.parametrize("check", checks_for(REDIS), ids=str)
async def test_redis(check: Check, redis_url: str) -> None:
    await passes(check, Bench(source_of(redis_url), asyncio.sleep))


@pytest.mark.everywhere
@pytest.mark.parametrize("check", checks_for(STREAMS.capabilities), ids=str)
async def test_streams(check: Check, redis_url: str) -> None:
    await passes(check, Bench(source_of(streams_url(redis_url)), asyncio.sleep))
