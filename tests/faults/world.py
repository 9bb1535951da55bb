"""One run's servers and workers, and the load on them."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from headrace import Durability, State
from headrace.brokers.sources import source_of
from headrace.contract.keys import key
from headrace.contract.stats import QueueStats
from support.apps import load
from support.cluster_group import ClusterGroup
from support.lab import Lab
from support.memory_cgroup import MemoryCgroup
from support.sentinel_group import SentinelGroup
from support.servers import RedisServer
from support.streams_state import ready_lines, streams_url
from support.topologies import BINARIES, Place
from support.wire_proxy import WireProxy
from support.worker_process import WorkerProcess

RUNS_CALLED_FOR = {"good": 1, "flaky": 2, "doomed": 2, "greedy": 1}
"""Kind of job → how often its own success or failures make it run, and so its highest attempt."""
ENQUEUED = {"good": 8, "flaky": 1, "doomed": 1}
"""How many of each kind the load has."""
SLOTS = 20
"""Of each worker."""
PRODUCERS = 4
IMPATIENT = 1000
"""Milliseconds of a primary's silence before another takes its place."""


@dataclass(frozen=True)
class Setting:
    """What a fault needs around it."""

    lease: str = "2s"
    aof: str | None = None
    through_proxy: bool = False
    """Workers and producers reach Redis through the proxy; the judge never does."""
    topology: type[RedisServer | SentinelGroup | ClusterGroup] = RedisServer
    """A group has a replica for each primary, fails over after a second, and is of either kind of server by chance."""
    durability: Durability = Durability.ACCEPTED
    streams: bool = False
    """Jobs are kept in Redis Streams."""
    memory: int = 0
    """Bytes that each worker may take once it runs; 0: as many as there are."""


@dataclass
class World:
    """`async with` starts Redis, two workers and nothing else."""

    setting: Setting
    directory: Path
    random: random.Random
    jobs: dict[str, str] = field(default_factory=dict)
    """Every job whose enqueue was acknowledged → its kind."""
    cgroups: list[MemoryCgroup] = field(default_factory=list)
    """One for each worker that has a limit."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def __aenter__(self) -> World:
        async with AsyncExitStack() as stack:
            self._memory = stack.enter_context(ExitStack())  # left last, when no worker runs any more
            self.place: Place = stack.enter_context(self._place())
            if isinstance(self.place, RedisServer):
                self.proxy = await stack.enter_async_context(WireProxy(self.place.port))
            self.lab = Lab(self.place.url, self.directory)
            stack.push_async_callback(self.lab.close)
            self.lab.use(load.fleet)
            load.fleet.connect_to(self.url)
            load.fleet.durability = self.setting.durability
            self.judge = source_of(self._as_kept(self.place.url)).open("judge")
            stack.push_async_callback(self.judge.close)
            await asyncio.gather(self.start_worker(), self.start_worker())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _place(self) -> AbstractContextManager[Place]:
        binary = BINARIES[self.random.choice(list(BINARIES))]
        if self.setting.topology is SentinelGroup:
            return SentinelGroup(binary, down_after=IMPATIENT)
        if self.setting.topology is ClusterGroup:
            return ClusterGroup(binary, replicas=1, node_timeout=IMPATIENT)
        return RedisServer(aof=self.setting.aof)

    @property
    def redis(self) -> RedisServer:
        """Where it is one server."""
        assert isinstance(self.place, RedisServer)
        return self.place

    @property
    def group(self) -> SentinelGroup | ClusterGroup:
        """Where it is several."""
        assert isinstance(self.place, SentinelGroup | ClusterGroup)
        return self.place

    @property
    def url(self) -> str:
        """Where workers and producers go."""
        return self._as_kept(self.proxy.url if self.setting.through_proxy else self.place.url)

    def _as_kept(self, url: str) -> str:
        return streams_url(url) if self.setting.streams else url

    # -- what the judge sees

    async def stats(self) -> QueueStats:
        """The queue's numbers."""
        return await self.judge.stats("jobs")

    async def idle(self) -> bool:
        """No job waits or runs."""
        seen = await self.stats()
        return seen.ready + seen.due + seen.scheduled + seen.leased == 0

    async def dead(self) -> set[str]:
        """Ids of dead letters, the first 1,000."""
        return {letter.id for letter in await self.judge.dead_letters("jobs", 1000)}

    async def deaths_of(self, kind: str) -> dict[str, int]:
        """How often each job of that kind, now a dead letter, has seen its worker die."""
        jobs = [job for job, its_kind in self.jobs.items() if its_kind == kind]
        letters = await self.lab.dead() if jobs else {}
        return {job: letters[job].record.crashes for job in jobs if job in letters}

    async def audit(self) -> tuple[dict[str, int], int]:
        """Findings by kind, and how many jobs are left that are not dead. In streams it fails by itself unless entries,
        index and sessions agree.
        """
        if self.setting.streams:
            await ready_lines(self.lab.link, "jobs")
            left = await self.lab.link.request("HLEN", key("jobs", "streams:jobs"))
            return {}, left - len(await self.dead())
        report = await self.lab.admin().audit.run()
        return dict(report.counts), sum(count for state, count in report.states.items() if state is not State.DEAD)

    @property
    def workers(self) -> list[WorkerProcess]:
        return self.lab.workers

    async def start_worker(self) -> WorkerProcess:
        """One more."""
        worker = self.lab.worker(
            "load", url=self.url, LEASE=self.setting.lease, WORKER_COUNT=str(SLOTS), LOG_JOBS="none", MAX_RETRIES="1"
        ).launch()
        if self.setting.memory:
            self.cgroups.append(self._memory.enter_context(MemoryCgroup(self.setting.memory)))
            self.cgroups[-1].hold(worker.pid)
        await worker.logged("worker started")
        return worker

    async def produce(self, jobs: int) -> None:
        """Enqueue that many from several producers at once, over a second or two: one by one, in bulk, delayed, with
        ids of one's own. Raises QueueUnavailableError if Redis stays away for half a minute.
        """
        async with asyncio.TaskGroup() as producers:
            for _ in range(PRODUCERS):
                producers.create_task(self._produce(jobs // PRODUCERS))

    async def _produce(self, count: int) -> None:
        done = 0
        while done < count:
            if self.random.random() < 0.1:
                done += await self._bulk(min(20, count - done))
            else:
                await self._single(f"own-{next(self._numbers)}")
                done += 1
            await asyncio.sleep(self.random.uniform(0, 0.02))

    async def _single(self, own_id: str) -> None:
        kind, seconds = self._job()
        task = load.in_thread if self.random.random() < 0.2 else load.in_loop
        draw = self.random.random()
        if draw < 0.2:
            task = task.options(job_id=own_id)
        elif draw < 0.4:
            task = task.options(delay=self.random.uniform(0.01, 1))
        self.jobs[(await task.enqueue(kind, seconds)).id] = kind

    async def _bulk(self, count: int) -> int:
        drawn = [self._job() for _ in range(count)]
        ids = await load.in_loop.enqueue_many([{"kind": kind, "seconds": seconds} for kind, seconds in drawn])
        self.jobs.update(zip(ids, (kind for kind, _ in drawn), strict=True))
        return count

    def _job(self) -> tuple[str, float]:
        kind = self.random.choices(list(ENQUEUED), list(ENQUEUED.values()))[0]
        return kind, self.random.uniform(0, 0.15)
