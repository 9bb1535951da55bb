"""Brings job `a` of a queue into each of the states, in each of the ways in which it may come to stand there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headrace import Fleet, Step
from headrace.client.flow_plan import plan_workflow
from headrace.client.limits import QUEUE_RULE, Rule
from headrace.client.workflow import _entries
from headrace.contract.envelope import DeathRecord, encode_death, lua_string
from headrace.contract.progress import Told, encode_told
from headrace.contract.protocol import PROTOCOL, TRIAL_MS
from headrace.contract.replies import encode_presence
from support.limited import limited
from support.presences import presence
from support.queue_driver import KEEP_MS, LEASE_MS, Exchanged, QueueDriver, Special

fleet = Fleet()
flows = fleet.queue("q")
RATE = Rule(interval_us=60_000_000, burst=1)


@flows.task()
async def step(*values: Any) -> None: ...


async def worker(queue: QueueDriver, sid: str = "s", name: str = "pod-1", **said: Any) -> None:
    told = presence(name, **{"slots": 10, **said})
    await queue.run("join", sid, LEASE_MS, encode_presence(told), PROTOCOL, b"")


async def claim(queue: QueueDriver, sid: str = "s", job_id: str = "a") -> Exchanged:
    got = await queue.exchange(sid, 1)
    assert got.ids == (job_id,)
    return got


async def taken(queue: QueueDriver, **said: Any) -> Exchanged:
    """`a` is held by a worker."""
    await worker(queue, **said)
    await queue.enqueue(["a"])
    return await claim(queue)


async def settle(queue: QueueDriver, kind: str, *rest: object, version: str = "v1") -> None:
    got = await taken(queue)
    await queue.exchange("s", others=[(kind, "a", got.claim, *rest)], version=version)


async def die(queue: QueueDriver) -> None:
    record = lua_string(encode_death(DeathRecord("OSError: boom", 3, 0)))
    await settle(queue, "bury", "t", "OSError", record, "print", "trace", 3)
    await queue.advance(5_000)


# -- ready


async def nobody(queue: QueueDriver) -> None:
    await queue.enqueue(["a"])
    await queue.advance(5_000)


async def paused(queue: QueueDriver) -> None:
    await worker(queue)
    await queue.run("pause")
    await queue.enqueue(["a"])


async def draining(queue: QueueDriver) -> None:
    await worker(queue, draining=True)
    await queue.enqueue(["a"])


async def cordoned(queue: QueueDriver) -> None:
    await worker(queue)
    await worker(queue, "s2", draining=True)
    await queue.run("cordon", 60_000, "s")
    await queue.enqueue(["a"])


async def busy(queue: QueueDriver) -> None:
    await worker(queue, running=10)
    await queue.enqueue(["a"])


async def busy_beside_a_cordoned_one(queue: QueueDriver) -> None:
    await busy(queue)
    await worker(queue, "s2")
    await queue.run("cordon", 60_000, "s2")


async def is_next(queue: QueueDriver) -> None:
    await worker(queue, running=4)
    await queue.enqueue(["a"])


async def crash(queue: QueueDriver, times: int) -> None:
    await queue.enqueue(["a"])
    for turn in range(times):
        await worker(queue, f"s{turn}", f"pod-{turn}")
        await claim(queue, f"s{turn}")
        await queue.run("reap_session", f"s{turn}")
    await worker(queue)


async def whole_rate(queue: QueueDriver) -> None:
    await queue.join("s", rules={QUEUE_RULE: RATE})
    await queue.enqueue(["first", "a"])
    await claim(queue, job_id="first")


async def replayed(queue: QueueDriver) -> None:
    await die(queue)
    await queue.replay("a")


async def left(queue: QueueDriver) -> None:
    await taken(queue)
    await queue.leave("s")


# -- scheduled


async def delayed(queue: QueueDriver) -> None:
    await queue.enqueue(specials=[Special("a", delay_ms=30_000)])


async def overdue(queue: QueueDriver) -> None:
    await worker(queue)
    await queue.enqueue(specials=[Special("a", delay_ms=1_000)])
    await queue.advance(3_000)


async def on_trial(queue: QueueDriver) -> None:
    await queue.run("trial", TRIAL_MS, "v1")
    await settle(queue, "retry", 1, 60_000, "OSError")


# -- parked, awaiting


async def no_slot(queue: QueueDriver) -> None:
    await queue.join("s", rules={"t": Rule(concurrency=1)})
    await queue.enqueue(specials=[limited("first", "k"), limited("second", "k"), limited("a", "k")])
    assert (await queue.exchange("s", 5)).ids == ("first",)


async def no_rate(queue: QueueDriver) -> None:
    await queue.join("s", rules={"t": RATE})
    await queue.enqueue(specials=[limited("first", "k"), limited("a", "k")])
    assert (await queue.exchange("s", 5)).ids == ("first",)


async def chained(queue: QueueDriver, flow: Step[Any], ids: Sequence[str]) -> None:
    plan = plan_workflow(flow, iter(ids).__next__, 1000)
    packed = msgspec.msgpack.encode([entry.packed() for entry in _entries(plan, None)])
    await queue.run("enqueue", "p", 1, KEEP_MS, 0, packed)
    assert "a" in {job.id for job in plan.jobs}


async def awaiting(queue: QueueDriver) -> None:
    await chained(queue, step.s() | step.s(), ["gate", "before", "a"])


async def awaiting_a_dead_one(queue: QueueDriver) -> None:
    await awaiting(queue)
    for turn in range(5):
        await worker(queue, f"s{turn}")
        await claim(queue, f"s{turn}", "before")
        await queue.run("reap_session", f"s{turn}")


# -- leased, and after


async def told(queue: QueueDriver) -> None:
    got = await taken(queue)
    said = encode_told([Told("a", got.claim, 0.4, "reading", 0)])
    await queue.run("renew", "s", LEASE_MS, encode_presence(presence("pod-1")), said)
    await queue.advance(3_000)


async def cancelling(queue: QueueDriver) -> None:
    await taken(queue)
    assert await queue.cancel("a") == "cancelling"


async def silent(queue: QueueDriver) -> None:
    await taken(queue)
    await queue.advance(LEASE_MS + 1)


async def half_reaped(queue: QueueDriver) -> None:
    await taken(queue)
    await queue.link.request("ZREM", queue.key("sess"), "s")
    await queue.link.request("HDEL", queue.key("workers"), "s")
    await queue.link.request("ZADD", queue.key("reaping"), queue.now_ms, "s")


async def called_off(queue: QueueDriver) -> None:
    await queue.enqueue(["a"])
    assert await queue.run("cancel", "a", 60_000) == b"cancelled"
