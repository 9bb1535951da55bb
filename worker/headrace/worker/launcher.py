"""A worker's life: start → quiet → stop, for all its queues together.

Stop: claim nothing, wait for running handlers up to the shutdown timeout, give back the rest uncharged, leave, exit.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from headrace.brokers.sources import source_of
from headrace.client.features import check_features
from headrace.errors import ConfigError, QueueUnavailableError
from headrace.worker.app import App
from headrace.worker.consumer import Consumer
from headrace.worker.control import ControlServer
from headrace.worker.failures import describe, innermost_place
from headrace.worker.health import HealthServer, Probes, bind
from headrace.worker.log import Log
from headrace.worker.metrics import Metrics
from headrace.worker.pace import pace_of
from headrace.worker.parts import Parts
from headrace.worker.plan import compile_plans
from headrace.worker.processes import Processes
from headrace.worker.publishing import publish_keeps, publish_tasks
from headrace.worker.renewal import Renewal, Renewed
from headrace.worker.resources import Resources
from headrace.worker.rules import packed_rules
from headrace.worker.run import Stop
from headrace.worker.session import Pulse, Session
from headrace.worker.settings import WorkerSettings
from headrace.worker.slots import Slots
from headrace.worker.telemetry import Telemetry
from headrace.worker.threads import Threads

if TYPE_CHECKING:
    from headrace.worker.ticker import Ticker

TICK = 0.05
"""Seconds between looks at the clock: timeouts are this exact."""
PROBE_PATIENCE = 1.0
"""Seconds after which probes are answered even if Redis has not been reached."""
STALE_FETCH = 5.0
"""Seconds without a successful fetch after which the worker is not ready."""
RELEASE_PATIENCE = 10.0
"""Seconds that cancelled handlers get to end, and Redis to hear of it …"""
IMPATIENCE = 0.5
"""… and after a second signal."""


class Worker:
    """Made in a running event loop; `run` returns when the worker has stopped."""

    def __init__(self, app: App, settings: WorkerSettings, log: Log) -> None:
        self.settings = settings
        self.log = log
        self.metrics = Metrics()
        self._app = app
        self._loop = asyncio.get_running_loop()
        self._parts = Parts(
            settings=settings,
            source=source_of(settings.redis_url),
            hooks=app.fleet.hooks,
            pulse=Pulse(settings.worker_id, settings.version, settings.concurrency),
            slots=Slots(min(settings.concurrency, settings.queue_size), pace_of(settings.rate)),
            metrics=self.metrics,
            telemetry=Telemetry(log, self.metrics, traced=app.fleet.tracing is not None),
            threads=Threads(),
            processes=Processes(app.spec, settings.redis_url, patience=settings.startup_timeout),
            resources=Resources(app.fleet.overrides),
        )
        for queue in self._queues():
            check_features(app.fleet.queues[queue], self._parts.source.capabilities)
        self.metrics.abandoned_threads = lambda: self._parts.threads.abandoned
        self.consumers = [self._consumer(name, weight) for name, weight in self._queues().items()]
        self._renewal = Renewal(
            self._parts.source, settings.lease, settings.loop_block_limit, self._sessions, self._renewed
        )
        self._tickers = [ticker for consumer in self.consumers if (ticker := self._ticker(consumer)) is not None]
        self._control = ControlServer(settings.control_socket, self.quiet, self._held)
        self._stop_asked = asyncio.Event()
        self._stop_now = asyncio.Event()
        self._started = False

    def _consumer(self, queue: str, weight: int) -> Consumer:
        plans = compile_plans(self._app.fleet, queue, self._parts)
        rules = packed_rules(self._app.fleet.queues[queue])
        consumer = Consumer(queue, weight, self._parts, plans, rules=rules)
        if len(self._queues()) > 1:
            consumer.on_change = self._poke_all
        return consumer

    def _ticker(self, consumer: Consumer) -> Ticker | None:
        periodic = self._app.fleet.queues[consumer.queue].periodic
        if not periodic:
            return None
        from headrace.worker.ticker import Ticker

        return Ticker(consumer.queue, periodic, consumer.broker, self.log)

    def _queues(self) -> dict[str, int]:
        asked = self.settings.queues or dict.fromkeys(self._app.queues, 1)
        registered = self._app.fleet.queues
        for name in asked:
            if name not in registered or not registered[name].tasks:
                raise ConfigError(
                    f"{self._app.spec} has no task on queue {name!r}; it has tasks on {', '.join(self._app.queues)}"
                )
        return asked

    def _poke_all(self) -> None:
        for consumer in self.consumers:
            consumer.poke()

    async def run(self) -> None:
        """Work until `stop`. Raises ConfigError or QueueUnavailableError when it can't start."""
        listener = bind(self.settings.metrics_host, self.settings.metrics_port)
        health = HealthServer(listener, self._probes(), self.metrics, self.settings.metrics_token, self._loop)
        # Later than the first look at the queue; but a Redis that is away must not look like a dead worker.
        probes_at_last = self._loop.call_later(PROBE_PATIENCE, health.start)
        self._app.fleet.connect_to(self.settings.redis_url)
        self._catch_signals()
        try:
            if not await self._join_all():
                return
            await self._start()
            self.log.info(
                "worker started",
                app=self._app.spec,
                queues=",".join(consumer.queue for consumer in self.consumers),
                concurrency=self.settings.concurrency,
                redis=self._parts.source.redacted,
                metrics_port=listener.getsockname()[1],
            )
            await self._work(health)
            await self._leave()
            await self._close_resources()
            await self._say_goodbye()
        finally:
            probes_at_last.cancel()
            await self._close(health)

    async def _start(self) -> None:
        self._renewal.start()
        await self._control.start()
        try:
            await self._app.fleet.hooks.call("on_start")
        except Exception as error:
            place = innermost_place(error)
            raise ConfigError(f"the on_start hook failed: {describe(error)} ({place})") from error
        await self._open_resources()
        for ticker in self._tickers:
            await ticker.begin()
        await publish_keeps(self._app.fleet, self.consumers, self.log)

    async def _open_resources(self) -> None:
        tasks = [task for one in self.consumers for task in self._app.fleet.queues[one.queue].tasks.values()]
        needs = [need for task in tasks if not task.settings.process for need in task.needs.values()]
        await self._parts.resources.open(needs, patience=self.settings.startup_timeout)

    async def _close_resources(self) -> None:
        if error := await self._parts.resources.close(patience=RELEASE_PATIENCE):
            self.log.error("a resource can't be closed", error=type(error).__name__, place=innermost_place(error))

    async def _work(self, health: HealthServer) -> None:
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(self._tick())
            consuming = [group.create_task(consumer.run()) for consumer in self.consumers]
            aside = [group.create_task(ticker.run()) for ticker in self._tickers]
            aside.append(group.create_task(self._after_start(health)))
            await self._stop_asked.wait()
            await self._drain()
            for consumer in self.consumers:
                consumer.stop()
            await self._wait_until(lambda: all(task.done() for task in consuming), RELEASE_PATIENCE, IMPATIENCE)
            for task in (*consuming, ticking, *aside):
                task.cancel()

    async def _after_start(self, health: HealthServer) -> None:
        """What may wait until the first look at the queue: the probes' server, schemas, a look at Redis's settings."""
        while not self._started:
            self._started = any(consumer.fetched for consumer in self.consumers)
            await asyncio.sleep(0.01)
        health.start()
        await publish_tasks(self._app.fleet, self.consumers, self.log)

    async def _join_all(self) -> bool:
        """False when told to stop before Redis could be reached."""
        patience = self.settings.startup_timeout
        give_up = self._loop.time() + patience
        pause = 0.1
        for consumer in self.consumers:
            while True:
                try:
                    await consumer.keeper.join()
                    break
                except QueueUnavailableError as error:
                    if self._loop.time() + pause > give_up:
                        raise ConfigError(f"REDIS_URL: {error} (tried for {patience:g} s)") from None
                    self.log.warning("Redis can't be reached; trying again", error=str(error))
                    self.log.flush()
                await self._wait_until(self._stop_asked.is_set, pause, 0)
                if self._stop_asked.is_set():
                    return False
                pause = min(pause * 2, 5.0)
        return True

    async def _tick(self) -> None:
        expected = self._loop.time() + TICK
        while True:
            await asyncio.sleep(TICK)
            self._parts.pulse.loop_seen = monotonic()
            now = self._loop.time()
            self.metrics.loop_lag, expected = max(0.0, now - expected), now + TICK
            self._parts.pulse.busy_since = self._busy_since()
            for consumer in self.consumers:
                consumer.executor.stop_overdue()
            self.log.flush()

    def _busy_since(self) -> float | None:
        begun = (consumer.executor.oldest_start for consumer in self.consumers)
        return min((at for at in begun if at is not None), default=None)

    def _catch_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.stop)

    def quiet(self) -> None:
        """Claim nothing more; idempotent."""
        if not self._parts.pulse.draining:
            self._parts.pulse.draining = True
            self.log.info("draining: claiming nothing more", running=self._held())
        for consumer in self.consumers:
            consumer.quiet()

    def stop(self) -> None:
        """Stop gracefully; called again, stop now."""
        if self._stop_asked.is_set():
            self._stop_now.set()
        self._stop_asked.set()

    async def _drain(self) -> None:
        self.quiet()
        await self._wait_until(lambda: not self._awaited(), self.settings.shutdown_timeout, 0)
        if running := self._running():
            self.log.warning("giving back what still runs", jobs=running)
            for consumer in self.consumers:
                consumer.executor.stop_all(Stop.SHUTDOWN)
        await self._wait_until(lambda: not self._held(), RELEASE_PATIENCE, IMPATIENCE)

    async def _wait_until(self, done: Callable[[], bool], patience: float, impatience: float) -> None:
        """At most `patience` seconds; `impatience` once told to stop now."""
        begun = self._loop.time()
        while not done() and self._loop.time() - begun < (impatience if self._stop_now.is_set() else patience):
            await asyncio.sleep(0.01)

    async def _leave(self) -> None:
        for consumer in self.consumers:
            await consumer.leave()

    async def _say_goodbye(self) -> None:
        try:
            await self._app.fleet.hooks.call("on_shutdown")
        except Exception as error:
            self.log.error("on_shutdown failed", error=type(error).__name__, place=innermost_place(error))

    async def _close(self, health: HealthServer) -> None:
        await self._leave()
        await self._close_resources()
        self._renewal.stop()
        await self._control.stop()
        await self._parts.processes.stop()
        self._parts.threads.stop()
        health.stop()
        for consumer in self.consumers:
            await consumer.close()
        await self._app.fleet.close()
        self.log.info("worker stopped")
        self.log.flush(last=True)

    def _running(self) -> int:
        return sum(len(consumer.executor.running) for consumer in self.consumers)

    def _awaited(self) -> bool:
        """Handlers, or calls to a Redis that serves: they may bring jobs that were claimed before all went quiet."""
        serving = monotonic() - max(consumer.last_fetch for consumer in self.consumers) < STALE_FETCH
        return self._running() > 0 or (serving and self._held() > 0)

    def _held(self) -> int:
        return sum(consumer.held for consumer in self.consumers)

    def _sessions(self) -> Sequence[Session]:
        return [consumer.keeper.session for consumer in self.consumers]

    def _renewed(self, all_renewed: Sequence[Renewed]) -> None:
        """In the renewal thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hear, all_renewed)

    def _hear(self, all_renewed: Sequence[Renewed]) -> None:
        by_queue = {consumer.queue: consumer for consumer in self.consumers}
        for renewed in all_renewed:
            by_queue[renewed.session.queue].keeper.hear(renewed)

    def _probes(self) -> Probes:
        return Probes(self._live, self._ready, lambda: (self._started, "started"), self.quiet, self._refresh)

    def _live(self) -> tuple[bool, str]:
        behind = monotonic() - self._parts.pulse.loop_seen
        return behind < self.settings.loop_block_limit, f"the event loop turned {behind:.1f} s ago"

    def _ready(self) -> tuple[bool, str]:
        if self._parts.pulse.draining:
            return False, "draining"
        last = min(consumer.last_fetch for consumer in self.consumers)
        if self._running() >= self._parts.slots.total:  # it can fetch nothing; its renewals speak for it
            last = max(last, self._renewal.last_success)
        age = monotonic() - last
        return self._started and age < STALE_FETCH, f"the last successful fetch was {age:.1f} s ago"

    async def _refresh(self) -> None:
        for consumer in self.consumers:
            stats = await consumer.broker.stats(consumer.queue)
            self.metrics.queue_gauges[consumer.queue] = {
                "ready": stats.ready + stats.due,
                "scheduled": stats.scheduled,
                "leased": stats.leased,
                "dead": stats.dead,
            }
