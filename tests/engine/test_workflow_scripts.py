"""Workflows under the scripts themselves: lost replies, fences, crashes, older workers, what an audit mends."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from headrace import Fleet, Step, group
from headrace.admin.queue_admin import QueueAdmin
from headrace.client.flow_plan import FlowPlan, plan_workflow
from headrace.client.limits import Rule
from headrace.client.workflow import _entries
from headrace.contract.entry import Entry
from headrace.contract.envelope import decode
from headrace.errors import ProtocolError, QueueFullError
from headrace.worker.outcome import CANCELLED, Done, settlement
from support.queue_driver import KEEP_MS, Exchanged, QueueDriver, _pack
from support.queue_state import Snapshot

fleet = Fleet()
flows = fleet.queue("q")


@flows.task()
async def t(*values: Any) -> None: ...


async def send(queue: QueueDriver, step: Step[Any], *, seq: int = 1) -> FlowPlan:
    """Enqueue by the script; jobs and gates are <seq>i0, <seq>i1, …"""
    numbers = count()
    plan = plan_workflow(step, lambda: f"{seq}i{next(numbers)}", 1000)
    await enqueue(queue, _entries(plan, None), seq)
    return plan


async def enqueue(queue: QueueDriver, entries: list[Entry], seq: int) -> None:
    await queue.run("enqueue", "p", seq, KEEP_MS, 0, _pack([entry.packed() for entry in entries]))


def passed(job_id: str, claim: str, result: bytes = b"\x01") -> object:
    return settlement(job_id, claim, Done(result, task="t", passes=True, attempts=1))


async def finish_all(queue: QueueDriver, got: Exchanged, n: int = 10, result: bytes = b"\x01") -> Exchanged:
    return await queue.exchange("s", n, others=[passed(i, got.claim, result) for i in got.ids])


def given(got: Exchanged) -> list[bytes | None]:
    return [decode(value).given for value in got.values]


async def nothing_left(queue: QueueDriver) -> None:
    found = await queue.link.request("KEYS", queue.prefix.replace("{", "[{]") + "*")
    names = [key.decode().removeprefix(queue.prefix) for key in found]
    assert [name for name in names if name.startswith(("gate:", "awaiting", "feeds", "jobs"))] == []


async def test_the_next_step_can_be_claimed_by_the_call_that_settles_the_one_before(queue: QueueDriver) -> None:
    await queue.join("s")
    await send(queue, t.s() | t.s())
    first = await queue.exchange("s", 10)
    second = await finish_all(queue, first, result=b"\xa2hi")
    assert (len(second.ids), given(second)) == (1, [b"\xa2hi"])
    assert (await finish_all(queue, second)).ids == ()
    await nothing_left(queue)


async def test_a_repeated_settlement_starts_nothing_twice(queue: QueueDriver) -> None:
    await queue.join("s")
    await send(queue, group(t.s(), t.s()) | t.s())
    got = await queue.exchange("s", 1)
    call: dict[str, Any] = {"n": 0, "seq": 900, "others": [passed(got.ids[0], got.claim)]}
    await queue.exchange("s", **call)
    before = await queue.look()
    await queue.exchange("s", **call)
    assert await queue.look() == before
    stale = await queue.exchange("s", others=[passed(got.ids[0], got.claim)])
    assert stale.stale == got.ids
    other = await queue.exchange("s", 5)
    call = {"n": 5, "seq": 950, "others": [passed(other.ids[0], other.claim, b"\x02")]}
    last = await queue.exchange("s", **call)
    assert given(last) == [b"\x92\x01\x02"]
    again = await queue.exchange("s", **call)
    assert (again.ids, again.values) == (last.ids, last.values)
    assert await queue.place(last.ids[0]) == "leased:s"


async def test_an_enqueue_again_adds_nothing(queue: QueueDriver) -> None:
    step = group(t.s(), t.s()) | t.s()
    plan = await send(queue, step, seq=7)
    before = await queue.look()
    await enqueue(queue, _entries(plan, None), 7)
    assert await queue.look() == before
    assert before.counter("enqueued") == 3


async def test_who_lost_its_lease_starts_nothing(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.join("other")
    plan = await send(queue, t.s() | t.s())
    got = await queue.exchange("s", 1)
    await queue.run("reap_session", "s")
    assert (await queue.exchange("s", others=[passed(got.ids[0], got.claim, b"\x05")])).status == "LOST"
    assert await queue.place(plan.jobs[1].id) == "awaiting"
    again = await queue.exchange("other", 1)
    assert again.ids == got.ids
    last = await queue.exchange("other", 1, others=[passed(again.ids[0], again.claim, b"\x06")])
    assert given(last) == [b"\x06"]


async def test_a_poison_step_keeps_the_others_waiting_until_it_is_replayed(queue: QueueDriver) -> None:
    plan = await send(queue, t.s() | t.s())
    for i in range(5):
        await queue.join(f"s{i}")
        assert len((await queue.exchange(f"s{i}", 1)).ids) == 1
        await queue.run("reap_session", f"s{i}")
    assert await queue.place(plan.jobs[0].id) == "dead"
    assert await queue.place(plan.jobs[1].id) == "awaiting"
    assert await queue.replay(plan.jobs[0].id) == 1
    await queue.join("s")
    got = await queue.exchange("s", 1)
    assert given(await finish_all(queue, got)) == [b"\x01"]


async def test_a_dead_step_keeps_what_it_was_given(queue: QueueDriver) -> None:
    await queue.join("s")
    plan = await send(queue, t.s() | t.s())
    got = await finish_all(queue, await queue.exchange("s", 1), result=b"\x2a")
    await queue.exchange("s", others=[("bury", got.ids[0], got.claim, "t", "E", "record", "", "", 3)])
    assert await queue.replay(plan.jobs[1].id) == 1
    assert given(await queue.exchange("s", 1)) == [b"\x2a"]


async def test_what_was_called_off_while_it_ran_takes_the_rest_with_it(queue: QueueDriver) -> None:
    await queue.join("s")
    await send(queue, t.s() | group(t.s(), t.s()) | t.s())
    got = await queue.exchange("s", 1)
    assert await queue.cancel(got.ids[0]) == "cancelling"
    await queue.exchange("s", others=[settlement(got.ids[0], got.claim, CANCELLED)])
    assert (await queue.look()).counter("cancelled") == 4
    await nothing_left(queue)


@pytest.mark.parametrize("how", ["leave", "reap_session"])
async def test_a_cancellation_that_its_worker_did_not_live_to_hear(queue: QueueDriver, how: str) -> None:
    await queue.join("s")
    await send(queue, t.s() | t.s() | t.s())
    got = await queue.exchange("s", 1)
    await queue.cancel(got.ids[0])
    await queue.run(how, "s")
    assert (await queue.look()).counter("cancelled") == 3
    await nothing_left(queue)


async def test_calling_off_one_that_waits_lets_those_before_it_end_in_peace(queue: QueueDriver) -> None:
    await queue.join("s")
    plan = await send(queue, group(t.s(), t.s() | t.s()) | t.s() | t.s())
    assert await queue.cancel(plan.jobs[3].id) == "cancelled"
    assert set(await queue.states()) == {job.id for job in plan.jobs[:3]}
    got = await finish_all(queue, await queue.exchange("s", 10))
    assert got.ids == (plan.jobs[2].id,)
    await finish_all(queue, got)
    await nothing_left(queue)


async def test_one_of_several_that_wait_together_is_called_off_alone(queue: QueueDriver) -> None:
    await queue.join("s")
    plan = await send(queue, t.s() | group(t.s(), t.s()))
    await queue.cancel(plan.jobs[1].id)
    got = await finish_all(queue, await queue.exchange("s", 10))
    assert got.ids == (plan.jobs[2].id,)


async def test_the_length_limit_takes_a_workflow_whole_or_not_at_all(queue: QueueDriver) -> None:
    await queue.link.request("HSET", queue.key("meta"), "limit", 3)
    await send(queue, t.s() | t.s(), seq=1)
    with pytest.raises(QueueFullError, match="length limit"):
        await send(queue, t.s() | t.s(), seq=2)
    assert (await queue.stats()).awaiting == 1
    assert len(await queue.states()) == 2


async def test_beside_an_older_worker_nothing_is_enqueued_and_then_none_may_join(queue: QueueDriver) -> None:
    await queue.join("old", protocol=1)
    with pytest.raises(ProtocolError, match="a worker of this queue speaks protocol 1, workflows need 2"):
        await send(queue, t.s() | t.s(), seq=1)
    assert await queue.states() == {}
    await queue.leave("old")
    await send(queue, t.s() | t.s(), seq=2)
    assert await queue.join("old", protocol=1) == [b"UPGRADE", 2]


async def run_out(queue: QueueDriver) -> Snapshot:
    """Claim and finish until nothing is ready."""
    got = await queue.exchange("s", 50)
    while got.ids:
        got = await finish_all(queue, got, 50)
    return await queue.look()


DAMAGE: dict[str, tuple[Callable[[FlowPlan], list[tuple[str | int | bytes, ...]]], str]] = {
    "an envelope of a step before": (lambda p: [("HDEL", "jobs", p.jobs[0].id)], "Ghost"),
    "an envelope of a step after": (lambda p: [("HDEL", "jobs", p.jobs[2].id)], "Ghost"),
    "whom it feeds": (lambda p: [("HDEL", "feeds", p.jobs[0].id)], "Stuck"),
    "the gate": (lambda p: [("DEL", f"gate:{p.gates[0].id}")], "Stuck"),
    "how many are left": (lambda p: [("HINCRBY", f"gate:{p.gates[0].id}", "left", 1)], "Stuck"),
    "that it waits": (lambda p: [("HDEL", "awaiting", p.jobs[2].id)], "Orphan"),
    "one too many": (lambda p: [("ZADD", "ready:default", 1, p.jobs[2].id)], "Doubled"),
    "a gate for nobody": (
        lambda p: [("HSET", "gate:x", "left", 1, "many", 0, "limit", 5, "size", 0, "starts", b"\x91\xa1z", "into", "")],
        "StrayGate",
    ),
    "a feed for nobody": (lambda p: [("HSET", "feeds", p.jobs[3].id, "x 0")], "Misfiled"),
}


@pytest.mark.parametrize("what", DAMAGE)
async def test_an_audit_finds_and_mends(queue: QueueDriver, what: str) -> None:
    await queue.join("s")
    plan = await send(queue, group(t.s(), t.s()) | t.s() | t.s())
    admin = QueueAdmin(queue.link, "q")
    report = await admin.audit.run()
    assert report.clean
    assert {state.value: n for state, n in report.states.items()} == {"ready": 2, "awaiting": 2}
    damage, finding = DAMAGE[what]
    for command, name, *rest in damage(plan):
        await queue.link.request(str(command), queue.key(str(name)), *rest)
    found = await admin.audit.run()
    assert finding in found.counts
    assert (await admin.audit.run(repair=True)).mended > 0
    if not (again := await admin.audit.run()).clean:  # what the first repair has left without a purpose
        await admin.audit.run(repair=True)
        again = await admin.audit.run()
    assert again.clean, again.findings
    seen = await run_out(queue)
    assert not seen.misplaced()
    assert set(seen.hashes["jobs"]) == set(seen.zsets["dead"]) | set(seen.hashes["awaiting"])


async def test_a_rate_and_a_limit_hold_for_steps_too(queue: QueueDriver) -> None:
    limited = Fleet().queue("q")

    @limited.task(limit_key="k:{key}", concurrency_limit=1)
    async def one(n: int, key: str) -> None: ...

    await queue.join("s", rules={"one": Rule(1)})
    await send(queue, one.s(1, "a") | group(one.s("a"), one.s("a")))
    got = await finish_all(queue, await queue.exchange("s", 10))
    assert len(got.ids) == 1
    assert (await queue.stats()).parked == 1
    assert len((await queue.exchange("s", 10, done=got.done)).ids) == 1
