"""plan_scale_in as a whole: any fleet, any order of mishaps, in virtual time against the runtime in memory."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace

from hypothesis import example, given
from hypothesis import strategies as st

from headrace_operator.api.names import QueueKey
from headrace_operator.api.worker_queue import load_worker_queue
from headrace_operator.core.lowering import apart
from headrace_operator.core.member import Member
from headrace_operator.core.rollout import Phase, Plan, Scale
from headrace_operator.core.scale_in import (
    CORDON_SECONDS,
    Aim,
    Cordon,
    Fleet,
    Lift,
    Limits,
    Lower,
    Lowering,
    Memory,
    plan_scale_in,
)
from headrace_operator.runtimes.memory import MemoryRuntime
from headrace_operator.seams.runtime import VersionSpec, WorkerPhase
from support.bad_queues import good_queue

KEY = QueueKey("default", "emails")
SPEC = load_worker_queue(good_queue()).spec
LIMITS = Limits(patience=30, settle=1)
TICK = 0.5

MEMBERS = st.builds(
    Member,
    id=st.uuids().map(str),
    version=st.just("v"),
    ready=st.booleans(),
    started=st.integers(0, 100).map(float),
    aimed=st.booleans(),
    joined=st.booleans(),
    sessions=st.just(2),
    cordoned=st.integers(0, 2),
    leases=st.integers(0, 3),
)
FLEETS = st.lists(MEMBERS, min_size=1, max_size=8)


@given(FLEETS, st.integers(1, 9), st.integers(1, 9), st.booleans(), st.booleans())
def test_one_look_is_never_unsafe(found: list[Member], desired: int, wanted: int, settled: bool, patient: bool) -> None:
    seen = Fleet(tuple(found), {"v": desired})
    lowering = Lowering("v", wanted) if wanted < desired else None
    aimed = frozenset(member.id for member in found if member.aimed)
    memory = Memory(aimed, -5 if settled else 0, lowering, 0 if patient else -60)
    steps = plan_scale_in(seen, lowering, memory, LIMITS, 0).steps
    may_go = {member.id for member in found if member.may_go}
    cordoned = {worker for step in steps if isinstance(step, Cordon) for worker in step.workers}
    lifted = {worker for step in steps if isinstance(step, Lift) for worker in step.workers}
    assert not cordoned & lifted
    for step in steps:
        if isinstance(step, Lower):
            assert lowering is not None
            assert lowering.replicas <= step.replicas < desired
            assert set(step.aimed) == aimed or len(found) < desired
            assert len(found) - step.replicas == len(step.aimed) or len(found) < desired
            assert set(step.idle) == set(step.aimed) & may_go
            assert not patient or set(step.aimed) <= may_go
            assert settled or not step.aimed
        if isinstance(step, Aim) and patient and lowering is not None and len(found) == desired:
            assert set(step.workers) <= may_go
    if lowering is None and len(found) <= desired:
        assert {member.id for member in found if member.cordoned} == lifted
        assert not aimed or Aim((), "the others stay") in steps


@dataclass
class Worker:
    """What Redis and the process know of one worker."""

    ends: list[float] = field(default_factory=list)
    """When its jobs end."""
    cordoned_until: float = 0.0


class Simulation:
    """A fleet whose workers get jobs at random, an operator that may be restarted, a Redis that may be away."""

    def __init__(self, rng: random.Random, longest_job: float, load: float) -> None:
        self.rng, self.longest_job, self.load = rng, longest_job, load
        self.runtime = MemoryRuntime()
        self.redis: dict[str, Worker] = {}
        self.memory = Memory()
        self.now = 0.0
        self.wanted = 0
        self.taken_busy = 0
        self.lowered: list[int] = []

    async def begin(self, count: int) -> None:
        await self.runtime.ensure(KEY, VersionSpec("v", SPEC))
        await self.runtime.scale(KEY, "v", count)
        self.wanted = count
        self.runtime.start(KEY)

    async def tick(self, *, known: bool = True) -> None:
        """Half a second: jobs end and begin, the operator looks once, then pods come and go."""
        self.now += TICK
        workers = await self.runtime.workers(KEY)
        self.redis = {
            one.id: self.redis.get(one.id, Worker()) for one in workers if one.phase is not WorkerPhase.STARTING
        }
        for one in workers:
            if one.id in self.redis:
                self._work(self.redis[one.id], draining=one.phase is WorkerPhase.TERMINATING)
        await self._operate(known)
        self.runtime.start(KEY, self.rng.randint(0, 2))
        self.runtime.end(KEY, self.rng.randint(0, 2))

    def _work(self, worker: Worker, *, draining: bool) -> None:
        worker.ends = [end for end in worker.ends if end > self.now]
        if not draining and worker.cordoned_until <= self.now and self.rng.random() < self.load:
            worker.ends.append(self.now + self.rng.uniform(0.1, self.longest_job))

    async def _operate(self, known: bool) -> None:
        [version] = await self.runtime.versions(KEY)
        step = () if version.desired == self.wanted else (Scale("v", self.wanted),)
        plan, lowering = apart(Plan(step, Phase.SCALING, ""), [version])
        for grow in plan.steps:
            assert isinstance(grow, Scale)
            await self.runtime.scale(KEY, "v", grow.replicas)
        fleet = await self.look() if known else None
        found = plan_scale_in(fleet, lowering, self.memory, LIMITS, self.now)
        self.memory = found.memory
        for one in found.steps:
            match one:
                case Cordon(names):
                    for name in names:
                        self.redis[name].cordoned_until = self.now + CORDON_SECONDS
                case Lift(names):
                    for name in names:
                        self.redis[name].cordoned_until = 0
                case Aim(names):
                    await self.runtime.aim(KEY, names)
                case Lower():
                    assert fleet is not None
                    await self._lower(one, fleet)

    async def _lower(self, step: Lower, fleet: Fleet) -> None:
        before = {member.id for member in fleet.members}
        await self.runtime.scale(KEY, "v", step.replicas)
        self.memory = self.memory.lowered(step, fleet)
        self.lowered.append(step.replicas)
        gone = before - {member.id for member in (await self.look()).members}
        assert gone == set(step.aimed)
        self.taken_busy += sum(bool(self.redis[name].ends) for name in gone if name in self.redis)

    async def look(self) -> Fleet:
        """Workers as runtime and Redis show them together."""
        [version] = await self.runtime.versions(KEY)
        found = []
        for one in await self.runtime.workers(KEY):
            if one.phase is WorkerPhase.TERMINATING:
                continue
            seen = Member(one.id, "v", one.phase is WorkerPhase.READY, one.started, one.aimed, joined=False)
            if (inside := self.redis.get(one.id)) is not None:
                cordoned = inside.cordoned_until > self.now
                seen = replace(seen, joined=True, sessions=1, cordoned=int(cordoned), leases=len(inside.ends))
            found.append(seen)
        return Fleet(tuple(found), {"v": version.desired})

    async def rests(self) -> bool:
        """As many as are wanted, and no trace of a scale-in."""
        fleet = await self.look()
        still = any(member.cordoned or member.aimed for member in fleet.members)
        return fleet.desired["v"] == self.wanted == len(fleet.members) and not still


async def story(seed: int, longest_job: float, mishaps: bool) -> Simulation:
    """Up to six wishes for a fleet under load, each until it has come true."""
    rng = random.Random(seed)
    fleet = Simulation(rng, longest_job, load=rng.choice((0.05, 0.3, 0.9)))
    await fleet.begin(rng.randint(2, 8))
    for _ in range(rng.randint(1, 6)):
        fleet.wanted = rng.randint(1, 8)
        for _ in range(rng.randint(0, 20)):
            if mishaps and rng.random() < 0.1:
                fleet.memory = Memory()  # another leader
            await fleet.tick(known=not mishaps or rng.random() < 0.8)
    ticks = 0
    while not await fleet.rests():
        ticks += 1
        # Patience, an aim for each, and the pods' own time.
        assert ticks * TICK < LIMITS.patience + 8 * 4 * LIMITS.settle + 20, "it never comes to rest"
        await fleet.tick()
    return fleet


@given(st.integers(0, 2**32), st.booleans())
@example(11430694, True)  # a worker that came while another was aimed at, and would have been deleted before it
def test_it_comes_to_rest_and_takes_no_busy_worker_within_patience(seed: int, mishaps: bool) -> None:
    fleet = asyncio.run(story(seed, longest_job=5, mishaps=mishaps))
    assert fleet.taken_busy == 0


@given(st.integers(0, 2**32))
def test_jobs_that_outlast_patience_do_not_hold_it_up(seed: int) -> None:
    asyncio.run(story(seed, longest_job=10_000, mishaps=True))


def test_the_simulation_can_take_busy_workers() -> None:
    """Else the property above would say nothing."""
    taken = sum(asyncio.run(story(seed, longest_job=10_000, mishaps=False)).taken_busy for seed in range(20))
    assert taken > 0
