"""Rates, per key and of the whole queue, on the server's held clock: what may start, and when to ask again."""

from __future__ import annotations

from collections import Counter

from headrace.client.limits import Rule
from support.limited import check_keys, limited, many
from support.queue_driver import QueueDriver

ONE = {"t": Rule(concurrency=1)}
PER_SECOND = {"t": Rule(interval_us=1_000_000, burst=1)}


# -- rates per key


async def test_a_rate_of_a_key_goes_by_the_server_s_clock(queue: QueueDriver) -> None:
    await queue.join("s", rules=PER_SECOND)
    await queue.enqueue(specials=many("a", 4))
    begun = queue.now_ms
    assert (await queue.exchange("s", 9)).ids == ("a0",)
    waits = await queue.exchange("s", 9)
    assert waits.ids == ()
    assert begun + 1_000 <= waits.next_due_ms <= begun + 1_001
    assert (await queue.stats()).next_due_ms == waits.next_due_ms
    await queue.advance(999)
    assert (await queue.exchange("s", 9)).ids == ()
    await queue.advance(2)
    assert (await queue.stats()).due == 1
    assert (await queue.exchange("s", 9)).ids == ("a1",)
    await check_keys(queue)


async def test_a_burst_is_what_was_said_and_no_more(queue: QueueDriver) -> None:
    await queue.join("s", rules={"t": Rule(interval_us=1_000_000, burst=3)})
    await queue.enqueue(specials=many("a", 20))
    counts = []
    for pause in (0, 1_001, 1_001, 60_000, 10, 1_001):
        await queue.advance(pause)
        await queue.renew("s")
        counts.append(len((await queue.exchange("s", 20)).ids))
    assert counts == [3, 1, 1, 3, 0, 1]
    await check_keys(queue)


async def test_rates_of_keys_are_apart_and_one_key_starves_no_other(queue: QueueDriver) -> None:
    await queue.join("s", rules=PER_SECOND)
    await queue.enqueue(specials=[*many("a", 50), *many("b", 3)])
    taken: Counter[str] = Counter()
    for _ in range(4):
        taken.update(job_id[0] for job_id in (await queue.exchange("s", 10)).ids)
        await queue.advance(1_001)
        await queue.renew("s")
    assert taken == {"a": 4, "b": 3}
    await check_keys(queue)


async def test_concurrency_and_rate_hold_together(queue: QueueDriver) -> None:
    await queue.join("s", rules={"t": Rule(concurrency=1, interval_us=1_000_000, burst=5)})
    await queue.enqueue(specials=many("a", 9))
    got = await queue.exchange("s", 9)
    ran = len(got.ids)
    for _ in range(20):
        got = await queue.exchange("s", 9, done=got.done)
        assert len(got.ids) <= 1
        ran += len(got.ids)
        await check_keys(queue)
    assert ran == 5
    await queue.advance(1_001)
    assert len((await queue.exchange("s", 9)).ids) == 1


# -- the queue's rate


async def test_the_queue_s_rate_caps_all_workers_together(queue: QueueDriver) -> None:
    rules = {"": Rule(interval_us=100_000, burst=2)}
    for sid in ("s1", "s2"):
        await queue.join(sid, rules=rules)
    await queue.enqueue([f"j{i}" for i in range(100)])
    counts = []
    for pause in (0, 0, 101, 1_001, 0):
        await queue.advance(pause)
        counts.append(sum([len((await queue.exchange(sid, 50)).ids) for sid in ("s1", "s2")]))
    assert counts == [2, 0, 1, 2, 0]


async def test_an_empty_queue_burns_no_tokens(queue: QueueDriver) -> None:
    await queue.join("s", rules={"": Rule(interval_us=1_000_000, burst=2)})
    for _ in range(10):
        assert (await queue.exchange("s", 50)).ids == ()
    await queue.enqueue(["a", "b", "c"])
    assert (await queue.exchange("s", 50)).ids == ("a", "b")


async def test_a_parked_job_costs_the_queue_no_token(queue: QueueDriver) -> None:
    await queue.join("s", rules={"": Rule(interval_us=1_000_000, burst=2), **ONE})
    await queue.enqueue(specials=many("a", 5))
    await queue.enqueue(["x"])
    assert set((await queue.exchange("s", 50)).ids) == {"a0", "x"}
    await check_keys(queue)


async def test_who_gets_nothing_for_the_queue_s_rate_is_told_when_to_ask(queue: QueueDriver) -> None:
    await queue.join("s", rules={"": Rule(interval_us=500_000, burst=1)})
    await queue.enqueue(["a", "b"])
    begun = queue.now_ms
    await queue.exchange("s", 1)
    answer = await queue.exchange("s", 1)
    assert begun + 500 <= answer.next_due_ms <= begun + 501
    await queue.advance(501)
    assert (await queue.exchange("s", 1)).ids == ("b",)


async def test_a_job_that_the_queue_s_rate_holds_back_is_no_demand(queue: QueueDriver) -> None:
    await queue.join("s", rules={"": Rule(interval_us=60_000_000, burst=2)})
    await queue.enqueue([f"j{i}" for i in range(10)])
    got = await queue.exchange("s", 50)
    stats = await queue.stats()
    assert (stats.ready, stats.held, stats.leased, stats.demand) == (0, 8, 2, 2)
    assert stats.oldest_ready_ms is None
    assert stats.next_due_ms is not None
    assert stats.next_due_ms > queue.now_ms
    await queue.exchange("s", 0, done=got.done)
    await queue.advance(600_000)
    stats = await queue.stats()
    assert (stats.ready, stats.held, stats.demand) == (2, 6, 2)


async def test_a_rate_that_was_taken_away_holds_nothing_back(queue: QueueDriver) -> None:
    await queue.join("old", rules={"": Rule(interval_us=60_000_000, burst=1)})
    await queue.enqueue([f"j{i}" for i in range(10)])
    await queue.exchange("old", 50)
    await queue.leave("old")
    await queue.join("new")
    assert len((await queue.exchange("new", 50)).ids) == 10


# -- demand and sleep


async def test_a_queue_sleeps_while_all_wait_for_a_rate_and_says_when_to_wake(queue: QueueDriver) -> None:
    await queue.join("s", rules=PER_SECOND)
    await queue.enqueue(specials=many("a", 3))
    got = await queue.exchange("s", 5)
    await queue.exchange("s", 5, done=got.done)
    assert await queue.run("sleep") == 1
    due = (await queue.stats()).next_due_ms
    assert due is not None
    await queue.advance(due - queue.now_ms)
    assert (await queue.stats()).demand == 1
    assert await queue.run("sleep") == 0


# -- rates that change with the code

SLOW = Rule(interval_us=3_600_000_000, burst=1)


async def test_a_rate_that_the_code_no_longer_has_holds_nothing_back_in_the_numbers(queue: QueueDriver) -> None:
    await queue.join("old", rules={"": SLOW})
    await queue.enqueue(["first"])
    got = await queue.exchange("old", 1)
    await queue.exchange("old", done=got.done)
    await queue.leave("old")
    await queue.join("new", version="v2")
    await queue.enqueue([f"j{i}" for i in range(500)])
    stats = await queue.stats()
    assert (stats.ready, stats.held) == (500, 0)
    assert len((await queue.exchange("new", 100, version="v2")).ids) == 100


async def test_a_raised_rate_of_the_queue_takes_what_is_spent_along(queue: QueueDriver) -> None:
    await queue.join("old", rules={"": Rule(interval_us=36_000_000, burst=100)})
    await queue.enqueue([f"j{i}" for i in range(500)])
    assert len((await queue.exchange("old", 100)).ids) == 100
    await queue.leave("old")
    await queue.join("new", rules={"": Rule(interval_us=1_000, burst=100)}, version="v2")
    assert (await queue.exchange("new", 100, version="v2")).ids == ()
    await queue.advance(40)
    assert 39 <= len((await queue.exchange("new", 100, version="v2")).ids) <= 40
    await queue.advance(10_000)
    assert len((await queue.exchange("new", 200, version="v2")).ids) == 100


async def test_a_raised_rate_lets_out_what_a_key_has_parked(queue: QueueDriver) -> None:
    await queue.join("old", rules={"t": SLOW})
    await queue.enqueue(specials=many("a", 20))
    assert len((await queue.exchange("old", 20)).ids) == 1
    await queue.leave("old")
    await queue.join("new", rules={"t": Rule(interval_us=1_000_000, burst=1)}, version="v2")
    ran = 0
    for _ in range(30):
        ran += len((await queue.exchange("new", 5, version="v2")).ids)
        await check_keys(queue)
        await queue.advance(100)
        await queue.renew("new")
    assert 2 <= ran <= 4, "one a second, and the first of them once the old one's second has passed"


async def test_tasks_that_share_a_key_keep_their_own_rates(queue: QueueDriver) -> None:
    await queue.join("s", rules={"slow": SLOW, "fast": Rule(interval_us=1_000, burst=1)})
    await queue.enqueue(specials=[limited("a", "k", "slow")])
    assert (await queue.exchange("s", 5)).ids == ("a",)
    await queue.enqueue(specials=[limited("b", "k", "fast"), limited("c", "k", "slow")])
    await queue.advance(10_000)
    assert (await queue.exchange("s", 5)).ids == (), "equal keys share what is spent"
