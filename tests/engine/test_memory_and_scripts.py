"""The memory broker and the scripts tell the same story: random histories, told to both on held clocks, end each step
with the same answers and the same numbers.

HYPOTHESIS_PROFILE=soak tells many more and longer ones.
"""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any, Final, cast

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.brokers.memory.source import MemorySource
from headrace.brokers.protocol import Broker, Exchanged, Settlement
from headrace.brokers.redis import RedisBroker
from headrace.contract.entry import Entry, Mark
from headrace.contract.protocol import Priority
from headrace.contract.stats import PlannedTick
from headrace.testing import VirtualClock
from headrace.testing.conformance import TASK, Settling, bury, entry, presence, result
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.held_link import HeldLink
from support.queue_driver import QueueDriver

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
EXAMPLES, STEPS = (300, 200) if SOAK else (25, 60)
LEASE_MS = 30_000
KEEP_MS = 10**8
"""Beyond every history: what Redis lets expire by itself knows no held clock."""
SIDS = ("s1", "s2", "s3")
KINDS: Final = ("done", "done", "done", "result", "retry", "later", "release", "bury", "cancel", "stale")
RULES = msgspec.msgpack.encode({TASK: (2, 0, 0)})
NUMBERS = "ready due scheduled leased parked dead enqueued released crashed stale cancelled replayed paused next_due_ms"
MOST_COMMON = ("enqueue", "exchange", "exchange", "exchange")


class Held(HeldLink):
    """Commands go to the server as they are."""

    def __init__(self, driver: QueueDriver) -> None:
        super().__init__(driver)
        self.request = driver.link.request


class Story:
    """One history, told twice. Everything random comes from `chance`."""

    def __init__(self, driver: QueueDriver, chance: random.Random) -> None:
        self.driver = driver
        self.chance = chance
        self.clock = VirtualClock()
        self.memory = MemorySource(self.clock)
        self.both: tuple[Broker, Broker] = (
            RedisBroker(cast("Link", Held(driver))),
            self.memory.open("story"),
        )
        self.made: list[str] = []
        self.seq = 0
        self.held: dict[str, dict[str, tuple[str, str, str]]] = {}
        """Session → id → its claim, and its ready-at there and here."""
        self.told: list[str] = []

    async def begin(self) -> None:
        await self.driver.hold_clock()
        self.clock.advance(self.driver.now_us / 1e6 - self.clock.now_us() / 1e6 if self.driver.now_us else 0)
        assert self.clock.now_us() == self.driver.now_us
        for sid in SIDS[:2]:
            await self.join(sid)

    async def same(self, what: str, *answers: Any) -> Any:
        there, here = answers
        self.told.append(f"{what} → {here}")
        assert here == there, "\n".join([*self.told, f"the scripts say {there}"])
        return here

    async def ask(self, what: str, *args: Any) -> Any:
        answers = [await getattr(broker, what)("q", *args) for broker in self.both]
        return await self.same(f"{what} {args}", *answers)

    async def step(self) -> None:
        steps = (*MOST_COMMON, "advance", "cancel", "join", "leave", "pause", "replay", "plan", "special", "special")
        await getattr(self, self.chance.choice(steps))()
        await self.compare()

    async def compare(self) -> None:
        there, here = [await broker.stats("q") for broker in self.both]
        await self.same("stats", *[[getattr(one, name) for name in NUMBERS.split()] for one in (there, here)])
        await self.same("versions", *[{v: c.completed for v, c in one.versions.items()} for one in (there, here)])
        for job_id in self.made:
            await self.ask("state", job_id)
        if self.made:
            await self.ask("endings", self.made)

    def new_id(self) -> str:
        self.made.append(f"j{len(self.made)}")
        return self.made[-1]

    async def add(self, *entries: Entry) -> None:
        self.seq += 1
        await self.ask("enqueue", "p", self.seq, KEEP_MS, list(entries))

    async def enqueue(self) -> None:
        await self.add(*(entry(self.new_id()) for _ in range(self.chance.randint(1, 4))))

    async def special(self) -> None:
        given = self.chance.random() < 0.3
        job_id = self.chance.choice(self.made) if given and self.made and self.chance.random() < 0.5 else self.new_id()
        if job_id.startswith("tick"):
            return
        mark = self.chance.choice((None, None, Mark(limit_key="k", rule=TASK), Mark(unique="u", unique_ms=KEEP_MS)))
        if given:
            mark = self.chance.choice((None, Mark(fingerprint="x"), Mark(fingerprint="y")))
        given = given or job_id != self.made[-1]
        delay = self.chance.choice((0, 0, 0, 700, 45_000))
        priority = self.chance.choice(list(Priority))
        await self.add(entry(job_id, delay_ms=delay, priority=priority, given=given, mark=mark))

    async def join(self, sid: str | None = None) -> None:
        sid = sid or self.chance.choice(SIDS)
        statuses = [(await broker.join("q", sid, LEASE_MS, presence(), RULES)).status for broker in self.both]
        await self.same(f"join {sid}", *statuses)
        self.held.setdefault(sid, {})

    async def leave(self) -> None:
        if self.chance.random() < 0.4:
            sid = self.chance.choice(SIDS)
            await self.ask("leave", sid)
            self.held.pop(sid, None)

    async def advance(self) -> None:
        ms = self.chance.choice((1, 700, 5_000, 16_000, 31_000))
        await self.driver.advance(ms)
        self.clock.advance(ms / 1000)
        self.told.append(f"advance {ms} ms")

    async def cancel(self) -> None:
        if self.made:
            await self.ask("cancel", self.chance.choice(self.made), self.chance.choice((None, KEEP_MS)))

    async def pause(self) -> None:
        paused = self.chance.random() < 0.3
        for broker in self.both:
            await broker.pause("q", paused)
        self.told.append(f"paused {paused}")

    async def replay(self) -> None:
        letters = [[tuple(one)[:5] for one in await broker.dead_letters("q", 100)] for broker in self.both]
        found = await self.same("dead letters", *letters)
        if found:
            await self.ask("replay", [found[0][0], "nothing"])

    async def plan(self) -> None:
        (now_ms, seen, _), _ = [await broker.plan("q", TASK, None, None, "", ()) for broker in self.both]
        wanted = PlannedTick(due_ms=now_ms + self.chance.choice((900, 20_000)), schedule="every 60")
        job = entry(f"tick:{TASK}:{wanted.due_ms}", at_ms=wanted.due_ms)
        standing = f"tick:{TASK}:{seen.due_ms}" if seen and self.chance.random() < 0.5 else ""
        seen = seen if self.chance.random() < 0.8 else None
        if job.id not in self.made:
            self.made.append(job.id)
        plans = [await broker.plan("q", TASK, seen, wanted, standing, [job]) for broker in self.both]
        await self.same(f"plan {seen} {wanted} {standing}", *[one[1:] for one in plans])

    async def exchange(self) -> None:
        sid = self.chance.choice(SIDS)
        mine = self.held.setdefault(sid, {})
        chosen = [job_id for job_id in mine if self.chance.random() < 0.6]
        there, here = Settling(), Settling()
        for job_id in chosen:
            self.settle(job_id, mine.pop(job_id), there, here)
        self.seq += 1
        lane = self.chance.choice("01")
        call = ("q", sid, lane, self.seq, self.chance.randint(0, 5), self.chance.choice(("", "i", "q")), "v1")
        for _ in range(self.chance.choice((1, 1, 2))):  # the same again
            answers = [await broker.exchange(*call, how) for broker, how in zip(self.both, (there, here), strict=True)]
            await self.same(f"exchange {call[1:]} {here.done} {here.others}", *map(comparable, answers))
        if answers[1].status == b"LOST":
            mine.clear()
        for place, claimed in enumerate(answers[1].ids):
            ready_there, ready_here = (str(int(float(answer.ready_us[place]))) for answer in answers)
            mine[claimed.decode()] = (f"{lane}.{self.seq}", ready_there, ready_here)

    def settle(self, job_id: str, held: tuple[str, str, str], there: Settling, here: Settling) -> None:
        claim, *ready = held
        kind = self.chance.choice(KINDS)
        for one, ready_us in zip((there, here), ready, strict=True):
            if kind == "done":
                one.done.setdefault(claim, []).append(job_id)
            else:
                one.others.append(settlement(kind, job_id, claim, ready_us))


def settlement(kind: str, job_id: str, claim: str, ready_us: str) -> Settlement:
    match kind:
        case "result":
            return result(job_id, claim, b"\x01", KEEP_MS)
        case "retry" | "later":
            return ("retry", job_id, claim, 2, 0 if kind == "retry" else 8_000, "OSError")
        case "release":
            return ("release", job_id, claim, ready_us, 0)
        case "bury":
            return bury(job_id, claim)
        case "cancel":
            return ("cancel", job_id, claim)
    return ("retry", job_id, "0.0", 1, 0, "OSError")


def comparable(reply: Exchanged) -> tuple[Any, ...]:
    """All but the microseconds, which the scripts take from the clock."""
    return (
        reply.status,
        reply.now_ms,
        reply.next_due_ms,
        sorted(reply.stale),
        sorted(reply.cancelled),
        list(reply.ids),
        list(reply.values),
        list(reply.crashes) or [0] * len(reply.ids),
    )


async def tell(url: str, seed: int) -> None:
    link = Link(parse_target(url))
    try:
        await link.request("FLUSHALL")
        story = Story(QueueDriver(link, constants={"MAX_REASONS": 200}), random.Random(seed))
        await story.begin()
        for _ in range(STEPS):
            await story.step()
    finally:
        await link.close()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=not SOAK)
@given(seed=st.integers(0, 2**32))
def test_both_tell_the_same(redis_url: str, seed: int) -> None:
    asyncio.run(tell(redis_url, seed))
