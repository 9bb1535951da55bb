"""A worker that works only when a test says so: the real machinery, by hand and by default in memory.

Owns the order in which its parts are moved. What a job is and how it runs is the engine's matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from time import monotonic
from typing import Any

from headrace.brokers.capabilities import Feature
from headrace.brokers.memory.clock import VirtualClock
from headrace.brokers.memory.source import MemorySource
from headrace.brokers.protocol import Broker, DeadJob, Source
from headrace.brokers.sources import source_of
from headrace.client.features import check_features
from headrace.client.fleet import Fleet
from headrace.contract.stats import QueueStats
from headrace.errors import ConfigError, UsageError
from headrace.testing.parts import parts_of, settings_of
from headrace.worker.consumer import Consumer
from headrace.worker.keeping import kept_results
from headrace.worker.plan import compile_plans
from headrace.worker.renewal import Renewal, Renewed
from headrace.worker.rules import packed_rules
from headrace.worker.run import Stop
from headrace.worker.session import Session
from headrace.worker.settings import WorkerSettings
from headrace.worker.ticker import Ticker

TICK = 0.01
"""Seconds between looks at handlers that run."""
PATIENCE = 10.0
"""Seconds that resources get to close, and cancelled handlers to end."""


@asynccontextmanager
async def manual_worker(
    fleet: Fleet, *, clock: VirtualClock | None = None, broker: str | Source | None = None, **settings: Any
) -> AsyncIterator[ManualWorker]:
    """A worker for all queues of `fleet`, which sends its jobs there while the block runs.

    broker: default one in memory on `clock`, made anew; or a URL, or a broker of one's own. settings: fields of
    WorkerSettings, such as max_retries=0. Raises ConfigError for what the broker can't do.
    """
    if broker is not None and clock is not None:
        raise UsageError("manual_worker: give clock or broker, not both: a server has a clock of its own")
    moved = None if broker is not None else clock or VirtualClock()
    source = MemorySource(moved) if broker is None else source_of(broker) if isinstance(broker, str) else broker
    worker = ManualWorker(fleet, source, moved, settings_of(settings))
    await fleet.close()
    fleet.connect_to(source)
    try:
        await worker.start()
        yield worker
    finally:
        await worker.stop()
        await fleet.close()
        fleet.connect_to(None)


class ManualWorker:
    """Made by `manual_worker`."""

    def __init__(self, fleet: Fleet, source: Source, clock: VirtualClock | None, settings: WorkerSettings) -> None:
        self._fleet = fleet
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._parts = parts_of(fleet, source, settings)
        self._queues = [queue for queue in fleet.queues.values() if queue.tasks]
        able = replace(source.capabilities, features=source.capabilities.features | {Feature.PROCESSES})
        for queue in self._queues:
            check_features(queue, able)
        self._consumers = [
            Consumer(
                queue.name, 1, self._parts, compile_plans(fleet, queue.name, self._parts), rules=packed_rules(queue)
            )
            for queue in self._queues
        ]
        self._renewal = Renewal(source, settings.lease, settings.loop_block_limit, self._sessions, self._renewed)
        self._renewed_at = 0.0
        self._tickers = [
            Ticker(consumer.queue, queue.periodic, consumer.broker, self._parts.telemetry.log)
            for queue, consumer in zip(self._queues, self._consumers, strict=True)
            if queue.periodic
        ]

    @property
    def clock(self) -> VirtualClock:
        """The broker's clock. Raises ConfigError where that is a server's own."""
        if self._clock is None:
            raise ConfigError("manual_worker: the clock of a server can't be moved; leave out broker=")
        return self._clock

    @property
    def broker(self) -> Broker:
        """The fleet's line to it."""
        return self._fleet.broker

    async def start(self) -> None:
        """Join, call on_start, open resources, plan the periodic tasks; runs no job."""
        for queue, consumer in zip(self._queues, self._consumers, strict=True):
            await consumer.keeper.join()
            await consumer.broker.publish(queue.name, {}, kept_results(queue.tasks.values()))
        await self._fleet.hooks.call("on_start")
        needs = [need for queue in self._queues for task in queue.tasks.values() for need in task.needs.values()]
        await self._parts.resources.open(needs, patience=PATIENCE)
        for ticker in self._tickers:
            await ticker.look(starting=True)

    async def drain_now(self) -> int:
        """Run every job that can run now, and those that these make ready; says how many runs that took.

        Returns when nothing runs and nothing is ready: what is delayed, waits for its retry, or is held by a rate,
        waits for the clock. Exceptions of handlers are settled as ever: as retries and dead letters.
        """
        for ticker in self._tickers:
            await ticker.look(starting=False)
        runs = 0
        while True:
            await self._renew()
            started = sum([await consumer.step() for consumer in self._consumers])
            runs += started
            if running := self._running():
                await asyncio.wait(running, timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
                for consumer in self._consumers:
                    consumer.executor.stop_overdue()
            elif not started and not any(consumer.held for consumer in self._consumers):
                return runs

    async def advance(self, by: float | timedelta) -> int:
        """Let time pass, seconds or a timedelta, and run each job when it falls due; says how many runs that took."""
        clock = self.clock
        end_us = clock.now_us() + round((by.total_seconds() if isinstance(by, timedelta) else by) * 1_000_000)
        runs = await self.drain_now()
        while (next_us := await self._next_due_us()) is not None and next_us <= end_us:
            clock.advance(max(0, next_us - clock.now_us()) / 1_000_000)
            runs += await self.drain_now()
        clock.advance((end_us - clock.now_us()) / 1_000_000)
        return runs + await self.drain_now()

    async def stats(self, queue: str) -> QueueStats:
        """The queue's numbers."""
        return await self.broker.stats(queue)

    async def dead_letters(self, queue: str) -> list[DeadJob]:
        """Up to 1,000 of the queue's, the oldest first."""
        return await self.broker.dead_letters(queue, 1000)

    async def replay(self, queue: str) -> int:
        """Those dead letters are ready again; says how many."""
        return await self.broker.replay(queue, [letter.id for letter in await self.dead_letters(queue)])

    async def stop(self) -> None:
        """Give back what still runs, leave, close resources, call on_shutdown."""
        for consumer in self._consumers:
            consumer.quiet()
            consumer.executor.stop_all(Stop.SHUTDOWN)
        if running := self._running():
            await asyncio.wait(running, timeout=PATIENCE)
        for consumer in self._consumers:
            if consumer.keeper.joined.is_set():
                await consumer.step()
            await consumer.leave()
        await self._parts.resources.close(patience=PATIENCE)
        await self._fleet.hooks.call("on_shutdown")
        self._renewal.close()
        self._parts.threads.stop()
        for consumer in self._consumers:
            await consumer.close()

    async def _next_due_us(self) -> int | None:
        dues = [(await self.stats(queue.name)).next_due_ms for queue in self._queues]
        return min((due * 1000 for due in dues if due is not None), default=None)

    def _running(self) -> Sequence[asyncio.Task[None]]:
        runs = [run for consumer in self._consumers for run in consumer.executor.running.values()]
        return [run.task for run in runs if run.task is not None]

    async def _renew(self) -> None:
        """In another thread, as ever: the call may block."""
        self._parts.pulse.loop_seen = now = monotonic()
        moved = self._clock.now_us() / 1e6 if self._clock else now
        if abs(moved - self._renewed_at) * 3 > self._parts.settings.lease:
            self._renewed_at = moved
            await asyncio.to_thread(self._renewal.renew_once)

    def _sessions(self) -> Sequence[Session]:
        return [consumer.keeper.session for consumer in self._consumers]

    def _renewed(self, all_renewed: Sequence[Renewed]) -> None:
        self._loop.call_soon_threadsafe(self._hear, all_renewed)

    def _hear(self, all_renewed: Sequence[Renewed]) -> None:
        by_queue = {consumer.queue: consumer for consumer in self._consumers}
        for renewed in all_renewed:
            by_queue[renewed.session.queue].keeper.hear(renewed)
