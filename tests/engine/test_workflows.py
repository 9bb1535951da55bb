"""E20: workflows with real workers: what each step gets, what becomes of the others when one dies or is called off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from headrace import JobCancelledError, PayloadError, State, chain, group
from headrace.admin.selection import ReplaySelection
from headrace.contract.entry import Entry
from headrace.errors import ConfigError
from support.apps import flows
from support.apps.flows import add, blob, finish, hold, in_child, needs, nested, number, sizes, total, wrong
from support.lab import Lab
from support.polling import eventually
from support.servers import RedisServer
from support.wire_proxy import Faults, WireProxy

LONG = 60.0


async def check_nothing_left(lab: Lab) -> None:
    """No job, no gate: the queue is as if there never were workflows."""
    await eventually(lab.idle)
    report = await lab.admin().audit.run()
    assert (report.findings, dict(report.states)) == ((), {})
    assert [key for key in await lab.link.request("KEYS", "hr:*") if b":gate:" in key] == []
    assert await lab.link.request("EXISTS", "hr:{jobs}:awaiting", "hr:{jobs}:feeds") == 0


async def start(lab: Lab, **environ: str) -> None:
    """A worker that has said which of its tasks keep results."""
    await lab.start("flows", **environ)

    async def said() -> bool:
        return bool(await lab.link.request("EXISTS", "hr:{jobs}:keep"))

    await eventually(said)


async def test_a_chain_hands_each_result_to_the_next(lab: Lab) -> None:
    lab.use(flows.fleet)
    await lab.start("flows")
    flow = await (number.s(1) | add.s() | in_child.s() | add.s(more=10)).enqueue()
    assert await flow.result(LONG) == 14
    assert len(flow.jobs) == 4
    assert [lab.ended()[job.id] for job in flow.jobs] == [1, 1, 0, 1]
    await check_nothing_left(lab)


async def test_a_step_may_leave_the_result_out_and_then_nobody_encodes_it(lab: Lab) -> None:
    lab.use(flows.fleet)
    await lab.start("flows")
    flow = await chain(number.s(1), finish.si("a"), finish.si("b"), number.si(5)).enqueue()
    assert await flow.result(LONG) == 5
    assert [line["of"] for line in lab.notes("finished")] == ["a", "b"]
    await check_nothing_left(lab)


async def test_who_follows_a_group_gets_all_results_in_their_order(lab: Lab) -> None:
    lab.use(flows.fleet)
    await lab.start("flows")
    flow = await (group(number.s(i) for i in (3, 1, 2)) | nested.s()).enqueue()
    assert await flow.result(LONG) == [3, 1, 2]
    alone = await group(number.s(1), number.s(2)).enqueue()
    assert await alone.result(LONG) == [1, 2]
    await check_nothing_left(lab)


async def test_a_group_of_a_thousand(lab: Lab) -> None:
    lab.use(flows.fleet)
    await lab.start("flows")
    flow = await (group(number.s(i) for i in range(1000)) | total.s()).enqueue()
    assert await flow.result(LONG) == sum(range(1000))
    assert set(lab.ended().values()) == {1}
    await check_nothing_left(lab)


async def test_chains_of_groups_and_groups_of_chains(lab: Lab) -> None:
    lab.use(flows.fleet)
    await lab.start("flows")
    inner = group(number.s(2), number.s(3)) | total.s() | add.s()
    flow = await (group(number.s(1), inner, number.s(7) | group(add.s(1), add.s(2))) | nested.s()).enqueue()
    assert await flow.result(LONG) == [1, 6, [8, 9]]
    spread = await (number.s(1) | group(add.s(1), add.s(2) | add.s(3), number.si(9)) | total.s()).enqueue()
    assert await spread.result(LONG) == 2 + 6 + 9
    squared = await (group(number.s(1), number.s(2)) | group(total.s(), nested.s())).enqueue()
    assert await squared.result(LONG) == [3, [1, 2]]
    await check_nothing_left(lab)


async def test_a_step_s_own_options_hold(lab: Lab) -> None:
    lab.use(flows.fleet)
    await lab.start("flows")
    flow = await (number.s(1) | add.options(delay=3, priority="low", correlation_id="mine").s()).enqueue()

    async def let_go() -> State | None:
        """Of what it waits for: that has run, and is settled."""
        state = await flow.jobs[1].state()
        return None if state is State.AWAITING else state

    assert await eventually(let_go) is State.SCHEDULED
    view = await lab.admin().jobs.locate(flow.jobs[1].id)
    assert (view.priority, view.correlation_id) == ("low", "mine")
    assert await flow.result(LONG) == 2
    await check_nothing_left(lab)


async def test_a_chain_stops_at_its_dead_letter_and_goes_on_when_that_is_replayed(lab: Lab) -> None:
    lab.use(flows.fleet)
    await lab.start("flows")
    file = lab.directory / "there"
    flow = await (group(number.s(1), number.s(2) | needs.s(str(file))) | total.s() | add.s()).enqueue()
    dead = flow.jobs[2].id
    await eventually(lambda: lab.ended()[flow.jobs[0].id] == 1 and lab.events(dead) == ["start", "failed"])
    await eventually(lab.idle)
    assert [await job.state() for job in flow.jobs[3:]] == [State.AWAITING] * 2
    view = await lab.admin().jobs.locate(flow.jobs[3].id)
    assert (view.waits_for, view.waits_for_ids) == (1, (dead,))
    assert (await lab.admin().audit.run()).clean
    file.touch()
    assert await lab.link.request("HEXISTS", "hr:{jobs}:jobs", dead) == 1
    await replay(lab, dead)
    assert await flow.result(LONG) == 4
    await check_nothing_left(lab)


async def replay(lab: Lab, job_id: str) -> None:
    moved = await lab.admin().replays.replay(ReplaySelection(ids=(job_id,)), request="again")
    assert moved.total == 1


async def test_a_result_of_the_wrong_kind_kills_who_gets_it(lab: Lab) -> None:
    lab.use(flows.fleet)
    await lab.start("flows")
    flow = await (number.s(1) | wrong.s() | add.s()).enqueue()
    await eventually(lambda: lab.ended()[flow.jobs[1].id] == 1)

    async def died() -> bool:
        return flow.jobs[2].id in await lab.dead()

    await eventually(died)
    assert (await lab.dead())[flow.jobs[2].id].reason == "InvalidPayload"


async def test_results_too_large_for_who_follows_kill_the_one_too_many(lab: Lab) -> None:
    lab.use(flows.fleet)
    await lab.start("flows", WORKER_COUNT="1")
    flow = await (group(blob.s(100_000), blob.s(100_000), blob.s(100_000)) | sizes.s()).enqueue()

    async def died() -> bool:
        return len(await lab.dead()) == 1

    await eventually(died)
    [letter] = (await lab.dead()).values()
    assert letter.reason == "ResultsTooLarge"
    assert "is more than what follows it may be given: 262144 bytes" in letter.record.error
    assert await flow.jobs[3].state() is State.AWAITING
    assert (await lab.admin().audit.run()).clean


async def test_calling_a_member_off_calls_off_what_waits_for_it(lab: Lab) -> None:
    lab.use(flows.fleet)
    await start(lab, WORKER_COUNT="3")
    flow = await (group(hold.s(1, 600), hold.s(2, 1) | add.s()) | total.s() | add.s()).enqueue()
    await eventually(lambda: len(lab.runs()) >= 2)
    assert await flow.jobs[0].cancel()
    with pytest.raises(JobCancelledError):
        await flow.result(LONG)
    await eventually(lambda: lab.ended()[flow.jobs[2].id] == 1)
    assert lab.events(flow.jobs[3].id) == []
    await check_nothing_left(lab)


async def test_a_workflow_can_be_called_off_as_a_whole(lab: Lab) -> None:
    lab.use(flows.fleet)
    flow = await (number.s(1) | group(add.s(), add.s() | add.s()) | total.s()).enqueue()
    assert await flow.cancel() == 5
    await check_nothing_left(lab)
    await lab.start("flows")
    running = await (hold.s(1, 600) | add.s()).enqueue()
    await eventually(lambda: lab.events(running.jobs[0].id) == ["start"])
    assert await running.cancel() == 2
    await eventually(lambda: lab.events(running.jobs[0].id) == ["start", "failed"])
    await check_nothing_left(lab)


async def test_a_purge_takes_what_waits_for_what_it_takes(lab: Lab) -> None:
    lab.use(flows.fleet)
    for _ in range(150):
        await (number.s(1) | add.s() | add.s()).enqueue()
    assert await lab.admin().control.purge() == 450
    await check_nothing_left(lab)


async def test_deleting_a_dead_letter_calls_off_what_waits_for_it(lab: Lab) -> None:
    lab.use(flows.fleet)
    await start(lab)
    flow = await (needs.s(1, "/nowhere") | add.s() | add.s()).enqueue()

    async def died() -> bool:
        return flow.jobs[0].id in await lab.dead()

    await eventually(died)
    assert await lab.admin().dead_letters.delete(ReplaySelection(ids=(flow.jobs[0].id,))) == 1
    with pytest.raises(JobCancelledError):
        await flow.result(LONG)
    await check_nothing_left(lab)


async def test_three_workers_are_killed_in_mid_chain(lab: Lab) -> None:
    lab.use(flows.fleet)
    steps = [(group(number.s(i), hold.s(i, 0.2)) | total.s() | hold.s(0.1) | add.s()) for i in range(40)]
    sent = await asyncio.gather(*(step.enqueue() for step in steps))
    for _ in range(3):
        victim = await lab.start("flows", LEASE="1s", WORKER_COUNT="10")
        seen = len(lab.runs())
        await eventually(lambda seen=seen: len(lab.runs()) > seen + 10)  # type: ignore[misc]
        victim.process.kill()
        victim.process.wait(10)
        assert (await lab.admin().audit.run()).clean
    await lab.start("flows", LEASE="1s", WORKER_COUNT="10")
    assert [await flow.result(LONG) for flow in sent] == [2 * i + 1 for i in range(40)]
    ran = {line.job for line in lab.runs()}
    assert ran == {job.id for flow in sent for job in flow.jobs}
    starts = [line.job for line in lab.runs() if line.event == "start"]
    assert len(starts) - len(ran) <= 3 * 10, "no more runs again than jobs in hand at a kill"
    await check_nothing_left(lab)


@pytest.fixture
async def proxy(redis_server: RedisServer, lab: Lab) -> AsyncIterator[WireProxy]:
    async with WireProxy(redis_server.port) as running:
        yield running
        await lab.close()  # before what it is connected to


@pytest.mark.parametrize(
    "faults", [Faults(drop_reply_every=3), Faults(cut_request_every=4)], ids=["replies", "requests"]
)
async def test_replies_and_requests_are_lost(lab: Lab, proxy: WireProxy, faults: Faults) -> None:
    lab.use(flows.fleet)
    flows.fleet.connect_to(proxy.url)
    proxy.faults = faults
    await lab.start("flows", url=proxy.url)
    steps = [(group(number.s(i), number.s(1) | add.s()) | total.s() | add.s()) for i in range(50)]
    sent = await asyncio.gather(*(step.enqueue() for step in steps))
    assert [await flow.result(LONG) for flow in sent] == [i + 3 for i in range(50)]
    assert proxy.replies_lost + proxy.requests_lost > 0
    assert set(lab.ended().values()) == {1}, "asking again is not running again"
    await check_nothing_left(lab)
    stats = await lab.stats()
    assert (stats.enqueued, stats.versions[""].completed, stats.stale) == (250, 250, 0)


async def test_steps_are_checked_where_they_are_written() -> None:
    other = flows.fleet.queue("other")

    @other.task()
    async def elsewhere(n: int) -> int:
        return n

    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: number.s(1) | elsewhere.s(), "a workflow stays in one queue, this one is in jobs and other"),
        (lambda: number.s(1) | add.s(2, 3), "after another step it gets that one's result first"),
        (group, "group: takes 1 to 1,000 members, got 0"),
        (lambda: group(number.s(i) for i in range(1001)), "takes 1 to 1,000 members, got 1,001"),
        (lambda: number.options(job_id="x").s(1), "can't have a job_id, an idempotency_key or a unique key"),
        (lambda: number.options(unique="x", ttl=1).s(1), "can't have a job_id, an idempotency_key or a unique key"),
        (chain, "takes at least one step"),
        (lambda: group(number.s(1), 5), "made of steps such as"),  # type: ignore[call-overload]
        (lambda: chain(*[add.s(1)] * 5001), "at most 5,000 jobs"),
        (lambda: number.s(1) | group(*[group(*[add.s()] * 501)] * 2), "at most 1,000 jobs may follow"),
    ]
    for wrong_one, says in cases:
        with pytest.raises(ConfigError, match=says):
            wrong_one()
    del flows.fleet.queues["other"]


async def test_the_first_step_s_arguments_are_checked_when_it_is_enqueued(lab: Lab) -> None:
    lab.use(flows.fleet)
    with pytest.raises(PayloadError):
        await (number.s("x") | add.s()).enqueue()  # type: ignore[call-overload]
    async with flows.jobs.batch():
        with pytest.raises(ConfigError, match="outside of the block of a batch"):
            await number.s(1).enqueue()
    assert (await lab.stats()).enqueued == 0


def test_a_plain_job_is_sent_as_before() -> None:
    assert Entry("a", b"v").packed() == ("a", Entry("a", b"v").packed()[1], 0, 0, "default", False)
