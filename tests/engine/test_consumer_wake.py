"""A wake token that arrives before the answers that it overtook."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from headrace import Fleet
from headrace.brokers.sources import source_of
from headrace.contract.keys import key
from headrace.wire.link import Link
from headrace.worker import consumer as consuming
from headrace.worker.consumer import Consumer
from headrace.worker.plan import compile_plans
from support.polling import eventually
from support.worker_parts import make_parts

QUEUE = "jobs"


class Held:
    """Holds the answers of both lanes back while the gate is closed; the server has long done what they asked."""

    def __init__(self, consumer: Consumer) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = 0
        for lane in consumer._lanes:
            lane.broker.exchange = self._holding(lane.broker.exchange)  # type: ignore[method-assign]

    def _holding(self, run: Callable[..., Any]) -> Callable[..., Any]:
        async def held(*arguments: Any) -> Any:
            answer = await run(*arguments)
            self.waiting += 1
            await self.gate.wait()
            self.waiting -= 1
            return answer

        return held


async def test_a_job_whose_token_overtakes_the_lanes_answers_is_started(
    redis_url: str, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "POLL", 60.0)  # no backstop in this test
    monkeypatch.setattr(consuming, "ANSWER_TIMEOUT", 90.0)
    fleet = Fleet(redis_url)
    ran: list[int] = []

    @fleet.queue(QUEUE).task()
    async def note(number: int) -> None:
        held.gate.clear()
        ran.append(number)

    async def no_token() -> bool:
        return not await link.request("LLEN", key(QUEUE, "wake"))

    parts = dataclasses.replace(make_parts(fleet), source=source_of(redis_url))
    consumer = Consumer(QUEUE, 1, parts, compile_plans(fleet, QUEUE, parts))
    held = Held(consumer)
    await consumer.keeper.join()
    working = asyncio.create_task(consumer.run())
    await eventually(lambda: all(lane.idle for lane in consumer._lanes))
    await note.enqueue(1)
    await eventually(lambda: held.waiting == 2)  # both have been told that there is nothing, and don't know it yet
    consumer._someone_idle.set()  # as after any answer that came in vain before
    await note.enqueue(2)
    await eventually(no_token)
    held.gate.set()
    await eventually(lambda: ran == [1, 2])
    held.gate.set()
    consumer.stop()
    await asyncio.wait_for(working, 20)
    await consumer.leave()
    await consumer.close()
    await fleet.close()
