"""Why isn't my job running? One sentence for each way of standing somewhere, of a job that really stands there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest

from headrace import Fleet, Step
from headrace.admin.explain import explain
from headrace.admin.queue_admin import QueueAdmin
from headrace.client.flow_plan import plan_workflow
from headrace.client.limits import QUEUE_RULE, Rule
from headrace.client.workflow import _entries
from headrace.contract.envelope import DeathRecord, encode_death, lua_string
from headrace.contract.progress import Told, encode_told
from headrace.contract.protocol import PROTOCOL, TRIAL_MS
from headrace.contract.replies import encode_presence
from headrace.errors import JobNotFoundError
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


Scene = Callable[[QueueDriver], Awaitable[object]]
WHY: dict[str, tuple[Scene, str]] = {
    "ready, no worker": (nobody, "It has been ready for 5 s, but no worker of this queue is running."),
    "ready, paused": (paused, "It has been ready for 0 s, but the queue is paused (headrace resume q)."),
    "ready, draining": (draining, "It has been ready for 0 s, but its only worker is draining."),
    "ready, cordoned": (cordoned, "It has been ready for 0 s, but all of its 2 workers are cordoned or draining."),
    "ready, busy": (busy, "It has been ready for 0 s: all 10 slots of 1 worker are busy, 1 job ready."),
    "ready, the only free worker is cordoned": (
        busy_beside_a_cordoned_one,
        "It has been ready for 0 s: all 10 slots of 1 worker are busy, 1 job ready.",
    ),
    "ready, next": (is_next, "It has been ready for 0 s and is claimed next: 6 of 10 slots are free, 1 job ready."),
    "ready, worker died": (
        lambda q: crash(q, 1),
        "It has been ready for 0 s (its worker pod-0 died with it) and is claimed next: 10 of 10 slots are free, "
        "1 job ready.",
    ),
    "suspect": (
        lambda q: crash(q, 2),
        "It has been ready for 0 s; its worker died 2 times while running it, "
        "so it runs alone as soon as one worker has finished its other jobs.",
    ),
    "ready, the queue's rate": (
        whole_rate,
        "It has been ready for 0 s, but the queue's own rate is used up, which lets a job go in 60 s; 1 job held back.",
    ),
    "ready, replayed": (
        replayed,
        "It has been ready for 0 s (replayed) and is claimed next: 10 of 10 slots are free, 1 job ready.",
    ),
    "ready, given back": (
        left,
        "It has been ready for 0 s (given back: its worker left), but no worker of this queue is running.",
    ),
    "scheduled, first delay": (delayed, "It waits for its time, due in 30 s."),
    "scheduled, retry": (
        lambda q: settle(q, "retry", 2, 60_000, "OSError"),
        "It waits for a retry after 2 failed attempts, the last on pod-1 (OSError), due in 60 s.",
    ),
    "scheduled, retry said by an older worker": (
        lambda q: settle(q, "retry", 1, 60_000),
        "It waits for a retry after 1 failed attempt, due in 60 s.",
    ),
    "scheduled, the handler's wish": (
        lambda q: settle(q, "retry", 0, 60_000, "RetryLater"),
        "It waits for another run that its handler asked for on pod-1, due in 60 s.",
    ),
    "scheduled, given back": (
        lambda q: settle(q, "release", "1", 60_000),
        "It waits for another look after it was given back on pod-1, due in 60 s.",
    ),
    "scheduled, on trial": (
        on_trial,
        "It waits for another run after one that failed on pod-1 in a version on trial, due in 60 s.",
    ),
    "scheduled, due": (overdue, "It fell due 2 s ago and is claimed next."),
    "parked, no slot": (
        no_slot,
        "It waits for a slot of its limit key 'k': 1 job of it runs; 1 job of the key before it.",
    ),
    "parked, no rate": (
        no_rate,
        "It waits for the rate of its limit key 'k', which lets a job go in 60 s; it is the next.",
    ),
    "awaiting": (
        awaiting,
        "It begins when 1 step before it in its workflow, before, will be done; "
        "a dead letter among them keeps it waiting until it is replayed.",
    ),
    "awaiting a dead letter": (
        awaiting_a_dead_one,
        "It begins when 1 step before it in its workflow, before, will be done; "
        "before is a dead letter and keeps it waiting until it is replayed.",
    ),
    "leased": (taken, "It is claimed by worker pod-1: running, or next to run there."),
    "leased, progress": (
        told,
        "It is claimed by worker pod-1: running, or next to run there; 3 s ago it was 40% done.",
    ),
    "leased, draining": (
        lambda q: taken(q, draining=True),
        "It is claimed by worker pod-1: running, or next to run there; "
        "that worker is draining, so it ends there or is given back.",
    ),
    "leased, cancelling": (
        cancelling,
        "It is claimed by worker pod-1: running, or next to run there; its cancellation was asked for.",
    ),
    "leased, silent": (
        silent,
        "It was claimed by pod-1, which has been silent for longer than its lease; "
        "the next exchange of another worker makes it ready again.",
    ),
    "leased, being reaped": (
        half_reaped,
        "Its worker's lease has ended: the next exchange of another worker makes it ready again.",
    ),
    "dead": (
        die,
        "It died 5 s ago (OSError, after 3 failed attempts): "
        "it runs again only when replayed (headrace dlq replay q --id a).",
    ),
    "done": (
        lambda q: settle(q, "result", "42", 60_000, "t", 0),
        "It is done; only its result is kept.",
    ),
    "called off": (called_off, "It was called off."),
}


@pytest.mark.parametrize("name", WHY)
async def test_why_in_one_sentence(queue: QueueDriver, admin: QueueAdmin, name: str) -> None:
    scene, expected = WHY[name]
    await scene(queue)
    assert explain(await admin.jobs.locate("a"), await queue.stats()) == expected


async def test_of_an_unknown_job_is_said_what_may_have_become_of_it(queue: QueueDriver, admin: QueueAdmin) -> None:
    await queue.enqueue(specials=[Special("mine", given=True)])
    await queue.cancel("mine")
    with pytest.raises(JobNotFoundError, match="done or cancelled: its id is still taken"):
        await admin.jobs.locate("mine")
    with pytest.raises(JobNotFoundError, match="done, cancelled, or never enqueued"):
        await admin.jobs.locate("never")
