"""What a broker may lack, and must do right if it says that it has it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import msgspec

from headrace.brokers.capabilities import Feature
from headrace.brokers.protocol import Exchanged
from headrace.contract.ending import CalledOff, Died, Gone, Kept, Waiting
from headrace.contract.entry import Entry, Mark, Standing
from headrace.contract.envelope import decode
from headrace.contract.keys import key
from headrace.contract.protocol import Priority
from headrace.contract.stats import PlannedTick
from headrace.testing.conformance import KEEP_MS, TASK, Bench, Checks, Seat, bury, entry, result
from headrace.wire.channels import Channels, Joined
from headrace.wire.subscription import Message

CHECKS = Checks()
DELAY_MS = 300
"""To see something come; for what must not come yet it is HOUR_MS, so that a slow machine has time to look."""
HOUR_MS = 3_600_000


@CHECKS.add(Feature.DELAYS)
async def a_delayed_job_waits_and_says_when_to_ask_again(bench: Bench) -> None:
    await bench.enqueue(entry("far", delay_ms=HOUR_MS))
    seat = await bench.seat()
    reply = await seat.exchange(1)
    assert not reply.ids
    assert 0 < reply.next_due_ms - reply.now_ms <= HOUR_MS
    assert await bench.state("far") == "scheduled"
    await bench.enqueue(entry("near", delay_ms=DELAY_MS))
    await bench.pass_time(DELAY_MS / 1000)
    assert await later(bench, seat) == ["near"]


@CHECKS.add(Feature.DELAYS)
async def a_job_for_a_time_that_has_passed_is_ready(bench: Bench) -> None:
    await bench.enqueue(entry("a", at_ms=1))
    assert await bench.state("a") == "ready"


@CHECKS.add(Feature.DELAYS)
async def a_retry_waits_for_its_delay(bench: Bench) -> None:
    await bench.jobs("far", "near")
    seat = await bench.seat()
    (_, claim), _ = await seat.claim(2)
    far = ("retry", "far", claim, 1, HOUR_MS, "OSError")
    assert not (await seat.exchange(1, far, ("retry", "near", claim, 3, DELAY_MS, "OSError"))).ids
    assert await bench.state("far") == "scheduled"
    await bench.pass_time(DELAY_MS / 1000)
    async with asyncio.timeout(60):
        while not (reply := await seat.exchange(1)).ids:
            await bench.pass_time(0.01)
    assert (ids_of(reply), decode(reply.values[0]).attempts) == (["near"], 3)


@CHECKS.add(Feature.PRIORITIES)
async def priorities_share_six_three_one_and_none_starves(bench: Bench) -> None:
    for priority in Priority:
        await bench.enqueue(*(entry(f"{priority}{n}", priority=priority) for n in range(20)))
    seat = await bench.seat()
    first = await seat.ids(10)
    assert [sum(job_id.startswith(priority) for job_id in first) for priority in Priority] == [6, 3, 1]
    one_by_one = [job_id for _ in range(10) for job_id in await seat.ids(1)]
    assert [sum(job_id.startswith(priority) for job_id in one_by_one) for priority in Priority] == [6, 3, 1]


@CHECKS.add(Feature.GIVEN_IDS)
async def a_given_id_is_taken_once_also_when_its_job_is_done(bench: Bench) -> None:
    assert await bench.enqueue(entry("mine", given=True), entry("other")) == {}
    assert await bench.enqueue(entry("new"), entry("mine", given=True)) == {1: Standing("mine", False)}
    seat = await bench.seat()
    for job_id, claim in await seat.claim(3):
        await seat.exchange(0, ("done", job_id, claim))
    assert await bench.enqueue(entry("mine", given=True)) == {0: Standing("mine", False)}
    assert (await bench.broker.stats(bench.queue)).enqueued == 3


@CHECKS.add(Feature.IDEMPOTENCY)
async def an_idempotency_key_with_other_arguments_is_a_conflict(bench: Bench) -> None:
    await bench.enqueue(entry("key", given=True, mark=Mark(fingerprint="x")))
    assert await bench.enqueue(
        entry("key", given=True, mark=Mark(fingerprint="x")), entry("key", given=True, mark=Mark(fingerprint="y"))
    ) == {0: Standing("key", False), 1: Standing("key", True)}


@CHECKS.add(Feature.UNIQUE)
async def a_unique_key_keeps_others_out_until_its_job_has_ended(bench: Bench) -> None:
    assert await bench.enqueue(unique("a")) == {}
    assert await bench.enqueue(unique("b")) == {0: Standing("a", False)}
    seat = await bench.seat()
    ((_, claim),) = await seat.claim()
    assert await bench.enqueue(unique("b")) == {0: Standing("a", False)}
    await seat.exchange(0, ("done", "a", claim))
    assert await bench.enqueue(unique("b")) == {}


@CHECKS.add(Feature.UNIQUE)
async def a_unique_key_is_free_when_its_job_is_dead_or_its_time_is_up(bench: Bench) -> None:
    await bench.enqueue(unique("a"))
    seat = await bench.seat()
    ((_, claim),) = await seat.claim()
    await seat.exchange(0, bury("a", claim))
    assert await bench.enqueue(unique("b", ms=DELAY_MS)) == {}
    await bench.pass_time(2 * DELAY_MS / 1000)
    assert await bench.enqueue(unique("c")) == {}


@CHECKS.add(Feature.CANCEL)
async def a_waiting_job_is_called_off_at_once(bench: Bench) -> None:
    await bench.jobs("a")
    assert await bench.broker.cancel(bench.queue, "a", None) == "cancelled"
    assert await bench.broker.cancel(bench.queue, "a", None) == "unknown"
    assert await (await bench.seat()).ids() == []


@CHECKS.add(Feature.CANCEL)
async def a_running_job_is_called_off_by_its_worker(bench: Bench) -> None:
    await bench.jobs("a", "b")
    seat = await bench.seat()
    (_, claim), _ = await seat.claim(2)
    assert await bench.broker.cancel(bench.queue, "a", None) == "cancelling"
    assert list((await seat.exchange(1)).cancelled) == [b"a"]
    await seat.exchange(0, ("cancel", "a", claim))
    assert await bench.broker.cancel(bench.queue, "b", None) == "cancelling"
    await seat.exchange(0, ("retry", "b", claim, 1, 0, "OSError"))  # it failed before it heard of it
    assert [await bench.state("a"), await bench.state("b")] == ["done", "done"]
    assert (await bench.broker.stats(bench.queue)).cancelled == 2


@CHECKS.add(Feature.RESULTS)
async def a_result_is_kept_for_its_time(bench: Bench) -> None:
    await bench.jobs("long", "short")
    assert await bench.broker.endings(bench.queue, ["long", "never"]) == [Waiting(), Gone()]
    seat = await bench.seat()
    (_, claim), _ = await seat.claim(2)
    packed = msgspec.msgpack.encode({"n": b"\xff\x00"})
    await seat.exchange(0, result("long", claim, packed), result("short", claim, packed, ttl_ms=DELAY_MS))
    await bench.pass_time(2 * DELAY_MS / 1000)
    assert await bench.broker.endings(bench.queue, ["long", "short"]) == [Kept(packed), Gone()]


@CHECKS.add(Feature.RESULTS)
async def the_newest_results_of_a_task_stay(bench: Bench) -> None:
    await bench.jobs("a", "b", "c")
    seat = await bench.seat()
    for job_id, claim in await seat.claim(3):
        await seat.exchange(0, result(job_id, claim, b"\x01", most=2))
    assert await bench.broker.endings(bench.queue, ["a", "b", "c"]) == [Gone(), Kept(b"\x01"), Kept(b"\x01")]


@CHECKS.add(Feature.RESULTS)
async def ends_are_told_to_who_listens(bench: Bench) -> None:
    made = "0123456789ab-1"
    await bench.broker.publish(bench.queue, {TASK: b"{}"}, {TASK: KEEP_MS})
    await bench.jobs(made, "given", "off")
    names = [key(bench.queue, "done:0123456789ab"), key(bench.queue, "done:given"), key(bench.queue, "done:off")]
    told: list[list[str]] = []
    async with aclosing(bench.broker.follow(Channels(names))) as heard, asyncio.timeout(60):
        for _ in names:
            assert isinstance(await anext(heard), Joined)
        seat = await bench.seat()
        (_, claim), *_ = await seat.claim(3)
        await bench.broker.cancel(bench.queue, "off", None)
        await seat.exchange(0, result(made, claim, b"\x01"), bury("given", claim), ("cancel", "off", claim))
        while len(told) < 3:
            event = await anext(heard)
            if isinstance(event, Message):
                told.append(msgspec.msgpack.decode(event.payload))
    assert sorted(told) == [[made, TASK, "done"], ["given", TASK, "dead"], ["off", TASK, "cancelled"]]
    assert (await bench.broker.endings(bench.queue, ["off"])) == [CalledOff()]


@CHECKS.add(Feature.DEAD_LETTERS)
async def a_dead_letter_is_kept_and_comes_back_without_attempts(bench: Bench) -> None:
    await bench.jobs("a", "b")
    seat = await bench.seat()
    for job_id, claim in await seat.claim(2):
        await seat.exchange(0, bury(job_id, claim, attempts=4))
    letters = await bench.broker.dead_letters(bench.queue, 10)
    assert [(one.id, one.task, one.reason, one.error, one.attempts) for one in letters] == [
        (job_id, TASK, "Broken", "Broken: said so", 4) for job_id in ("a", "b")
    ]
    assert len(await bench.broker.dead_letters(bench.queue, 1)) == 1
    assert await bench.broker.endings(bench.queue, ["a"]) == [Died("Broken", "Broken: said so", 4)]
    assert await bench.state("a") == "dead"
    assert await bench.broker.replay(bench.queue, ["a", "never"]) == 1
    reply = await seat.exchange(1)
    stored = decode(reply.values[0])
    assert (list(reply.ids), stored.attempts, stored.replays) == ([b"a"], 0, 1)
    assert [one.id for one in await bench.broker.dead_letters(bench.queue, 10)] == ["b"]


@CHECKS.add(Feature.LIMITS)
async def a_limit_key_holds_its_jobs_back_until_one_has_ended(bench: Bench) -> None:
    await bench.enqueue(*(limited(job_id) for job_id in "abc"))
    await bench.jobs("free")
    seat = await bench.seat(rules={TASK: (1, 0, 0)})
    claimed = await seat.claim(10)
    assert [job_id for job_id, _ in claimed] == ["a", "free"]
    assert [await bench.state("b"), await bench.state("c")] == ["parked", "parked"]
    assert ids_of(await seat.exchange(10, ("done", *claimed[0]))) == ["b"]
    assert ids_of(await seat.exchange(10, ("retry", "b", f"0.{seat.seq}", 1, 0, "OSError"))) in (["b"], ["c"])
    assert (await bench.broker.stats(bench.queue)).parked == 1


@CHECKS.add(Feature.LIMITS, Feature.DELAYS)
async def a_retry_that_waits_leaves_its_place_to_the_next(bench: Bench) -> None:
    await bench.enqueue(limited("a"), limited("b"))
    seat = await bench.seat(rules={TASK: (1, 0, 0)})
    ((_, claim),) = await seat.claim(10)
    assert ids_of(await seat.exchange(10, ("retry", "a", claim, 1, HOUR_MS, "OSError"))) == ["b"]


@CHECKS.add(Feature.LIMITS, Feature.CANCEL)
async def a_parked_job_can_be_called_off(bench: Bench) -> None:
    await bench.enqueue(*(limited(job_id) for job_id in "abc"))
    seat = await bench.seat(rules={TASK: (1, 0, 0)})
    ((_, claim),) = await seat.claim(10)
    assert await bench.broker.cancel(bench.queue, "b", None) == "cancelled"
    assert ids_of(await seat.exchange(10, ("done", "a", claim))) == ["c"]


@CHECKS.add(Feature.LIMITS)
async def a_rate_of_a_key_lets_only_so_many_go(bench: Bench) -> None:
    await bench.enqueue(*(limited(job_id) for job_id in "abc"))
    await bench.jobs("free")
    seat = await bench.seat(rules={TASK: (0, HOUR_MS * 1000, 2)})
    assert await seat.ids() == ["a", "b", "free"]
    reply = await seat.exchange(10)
    assert not reply.ids
    assert 0 < reply.next_due_ms - reply.now_ms <= HOUR_MS + 1
    assert (await bench.broker.stats(bench.queue)).parked == 1


@CHECKS.add(Feature.LIMITS)
async def a_rate_of_a_key_lets_all_go_in_time(bench: Bench) -> None:
    await bench.enqueue(*(limited(job_id) for job_id in "abc"))
    seat = await bench.seat(rules={TASK: (0, DELAY_MS * 1000, 1)})
    assert [await later(bench, seat) for _ in range(3)] == [["a"], ["b"], ["c"]]


@CHECKS.add(Feature.LIMITS)
async def a_rate_that_is_raised_lets_jobs_go_that_wait(bench: Bench) -> None:
    await bench.enqueue(*(limited(job_id) for job_id in "abc"))
    slow = await bench.seat(rules={TASK: (0, HOUR_MS * 1000, 1)})
    assert (await slow.ids(), await slow.ids()) == (["a"], [])
    fast = await bench.seat(rules={TASK: (0, DELAY_MS * 1000, 1)})
    assert [await later(bench, fast) for _ in range(2)] == [["b"], ["c"]]


@CHECKS.add(Feature.LIMITS)
async def a_rate_of_the_queue_holds_for_all_its_jobs(bench: Bench) -> None:
    await bench.jobs("a", "b", "c", "d")
    rules = {"": (0, HOUR_MS * 1000, 2)}
    one, other = await bench.seat(rules=rules), await bench.seat(rules=rules)
    assert (await one.ids(), await other.ids()) == (["a", "b"], [])
    stats = await bench.broker.stats(bench.queue)
    assert (stats.ready, stats.held) == (0, 2)
    unlimited = await bench.seat()
    stats = await bench.broker.stats(bench.queue)
    assert (stats.ready, stats.held) == (2, 0)
    assert await unlimited.ids() == ["c", "d"]


@CHECKS.add(Feature.PERIODIC)
async def a_tick_is_planned_by_the_first_who_asks(bench: Bench) -> None:
    broker, queue = bench.broker, bench.queue
    now_ms, held, planned = await broker.plan(queue, TASK, None, None, "", ())
    assert (held, planned) == (None, False)
    first, second = (PlannedTick(due_ms=now_ms + n * 3_600_000, schedule="every 3600") for n in (1, 2))
    assert (await broker.plan(queue, TASK, None, first, "", [tick(first)])).planned
    late = await broker.plan(queue, TASK, None, second, "", [tick(second)])
    assert (late.planned, late.held) == (False, first)
    assert (await broker.plan(queue, TASK, first, second, tick(first).id, [tick(second)])).planned
    assert [await bench.state(tick(one).id) for one in (first, second)] == ["done", "scheduled"]
    assert (await broker.stats(queue)).ticks == {TASK: second}


def unique(job_id: str, ms: int = KEEP_MS) -> Entry:
    """One of the same key."""
    return entry(job_id, mark=Mark(unique="key", unique_ms=ms))


def limited(job_id: str) -> Entry:
    """One of the same limit key."""
    return entry(job_id, mark=Mark(limit_key="key", rule=TASK))


def tick(planned: PlannedTick) -> Entry:
    """Its job."""
    return entry(f"tick:{TASK}:{planned.due_ms}", at_ms=planned.due_ms)


def ids_of(reply: Exchanged) -> list[str]:
    """What was claimed."""
    return [job_id.decode() for job_id in reply.ids]


async def later(bench: Bench, seat: Seat) -> list[str]:
    """What is claimed as soon as there is something."""
    async with asyncio.timeout(60):
        while not (ids := await seat.ids()):
            await bench.pass_time(0.01)
    return ids
