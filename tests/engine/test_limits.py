"""Limits per key and of the whole queue, on the server's held clock: what is claimed, what is parked, what moves on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from headrace.client.limits import Rule
from headrace.worker.outcome import Released, Retried, settlement
from support.limited import check_keys, limited, many
from support.queue_driver import LEASE_MS, QueueDriver, Special, value

ONE = {"t": Rule(concurrency=1)}
TWO = {"t": Rule(concurrency=2)}
PARK = """
for i = tonumber(ARGV[1]), ARGV[1] + 4999 do
  redis.call('HSET', KEYS[1] .. 'jobs', 'x' .. i, ARGV[2])
  redis.call('HSET', KEYS[1] .. 'marks', 'x' .. i, ARGV[3])
  redis.call('SADD', KEYS[1] .. 'parked', 'x' .. i)
  redis.call('ZADD', KEYS[1] .. 'kw:a', i, 'x' .. i)
end
"""
MARK_OF_A = b"\x94\xa1a\xa1t\xa0\xa0"
PER_SECOND = {"t": Rule(interval_us=1_000_000, burst=1)}


# -- concurrency per key


async def test_no_more_of_a_key_run_than_its_limit(queue: QueueDriver) -> None:
    await queue.join("s", rules=TWO)
    await queue.enqueue(specials=many("a", 5))
    got = await queue.exchange("s", 10)
    assert got.ids == ("a0", "a1")
    assert (await queue.stats()).parked == 3
    assert (await queue.exchange("s", 10)).ids == ()
    await check_keys(queue)


async def test_the_next_of_a_key_runs_in_the_exchange_that_frees_its_slot(queue: QueueDriver) -> None:
    await queue.join("s", rules=ONE)
    await queue.enqueue(specials=many("a", 4))
    order: list[str] = []
    got = await queue.exchange("s", 10)
    while got.ids:
        order += got.ids
        await check_keys(queue)
        got = await queue.exchange("s", 10, done=got.done)
    assert order == ["a0", "a1", "a2", "a3"], "first in, first out"
    assert (await queue.look()).places == {}


async def test_a_blocked_key_keeps_no_other_waiting(queue: QueueDriver) -> None:
    await queue.join("s", rules=ONE)
    await queue.enqueue(specials=many("a", 300))
    await queue.enqueue(["plain"], [limited("b0", "b")])
    assert set((await queue.exchange("s", 3)).ids) == {"a0", "plain", "b0"}


async def test_a_job_without_key_in_the_same_task_is_free(queue: QueueDriver) -> None:
    await queue.join("s", rules=ONE)
    await queue.enqueue(["x", "y"], many("a", 2))
    assert set((await queue.exchange("s", 9)).ids) == {"x", "y", "a0"}


async def test_equal_keys_of_two_tasks_share_and_each_keeps_to_its_own_rule(queue: QueueDriver) -> None:
    await queue.join("s", rules={"one": Rule(concurrency=1), "three": Rule(concurrency=3)})
    await queue.enqueue(specials=[limited("a", "k", "three"), limited("b", "k", "one"), limited("c", "k", "three")])
    assert (await queue.exchange("s", 9)).ids == ("a", "c")
    await check_keys(queue)


async def test_workers_share_a_key(queue: QueueDriver) -> None:
    for sid in ("s1", "s2"):
        await queue.join(sid, rules=TWO)
    await queue.enqueue(specials=many("a", 6))
    first = await queue.exchange("s1", 1)
    second = await queue.exchange("s2", 5, lane="1")
    assert (first.ids, second.ids) == (("a0",), ("a1",))
    assert (await queue.exchange("s2", 5, lane="0")).ids == ()
    await queue.exchange("s1", 0, done=first.done)
    assert (await queue.exchange("s2", 5)).ids == ("a2",)
    await check_keys(queue)


Departure = Callable[[QueueDriver, str], Awaitable[object]]


async def _settle(queue: QueueDriver, other: tuple[object, ...]) -> None:
    await queue.exchange("s", 0, lane="9", others=[other])


DEPARTURES: dict[str, Departure] = {
    "retry": lambda q, c: _settle(q, settlement("a0", c, Retried(1, 60_000, "boom")) or ()),
    "retry at once": lambda q, c: _settle(q, ("retry", "a0", c, 1, 0)),
    "release": lambda q, c: _settle(q, settlement("a0", c, Released(10**18)) or ()),
    "bury": lambda q, c: _settle(q, ("bury", "a0", c, "t", "E", "record", "", "", 1)),
    "cancel": lambda q, c: _settle(q, ("cancel", "a0", c)),
    "result": lambda q, c: _settle(q, ("result", "a0", c, "42", 60_000)),
    "done again": lambda q, c: _settle(q, ("done", "a0", c)),
    "leave": lambda q, _: q.leave("s"),
    "reap": lambda q, _: q.run("reap_session", "s"),
}


@pytest.mark.parametrize("name", DEPARTURES)
async def test_whatever_takes_a_job_off_its_worker_frees_the_slot(queue: QueueDriver, name: str) -> None:
    await queue.join("s", rules=ONE)
    await queue.join("other", rules=ONE)
    await queue.enqueue(specials=many("a", 3))
    got = await queue.exchange("s", 5)
    assert got.ids == ("a0",)
    await DEPARTURES[name](queue, got.claim)
    await check_keys(queue)
    following = await queue.exchange("other", 5)
    assert len(following.ids) == 1
    await check_keys(queue)


async def test_a_dead_worker_s_slot_comes_back_when_its_lease_ends(queue: QueueDriver) -> None:
    await queue.join("dies", rules=ONE)
    await queue.join("lives", rules=ONE)
    await queue.enqueue(specials=many("a", 2))
    assert (await queue.exchange("dies", 1)).ids == ("a0",)
    for _ in range(4):
        await queue.advance(LEASE_MS // 3)
        await queue.renew("lives")
    got = await queue.exchange("lives", 5)
    assert len(got.ids) == 1
    await check_keys(queue)


async def test_a_suspect_keeps_to_its_key_s_limit(queue: QueueDriver) -> None:
    await queue.join("s", rules=ONE)
    await queue.enqueue(specials=[limited("poison", "a")])
    for sid in ("d1", "d2"):
        await queue.join(sid, rules=ONE)
        assert (await queue.exchange(sid, 1)).ids == ("poison",)
        await queue.run("reap_session", sid)
    await queue.enqueue(specials=[limited("other", "a")])
    await queue.join("t", rules=ONE)
    assert (await queue.exchange("s", 1)).ids == ("poison",)
    assert (await queue.exchange("t", 1)).ids == ()
    await check_keys(queue)
    await queue.run("reap_session", "s")
    got = await queue.exchange("t", 1)
    assert len(got.ids) == 1
    await check_keys(queue)


async def test_a_raised_limit_holds_for_what_is_parked_already(queue: QueueDriver) -> None:
    await queue.join("old", rules=ONE)
    await queue.enqueue(specials=many("a", 9))
    got = await queue.exchange("old", 9)
    await queue.join("new", rules={"t": Rule(concurrency=4)})
    await queue.exchange("old", 0, done=got.done)
    assert len((await queue.exchange("new", 9)).ids) == 4
    await check_keys(queue)


async def test_a_limit_that_was_taken_away_blocks_nobody(queue: QueueDriver) -> None:
    await queue.join("old", rules=ONE)
    await queue.enqueue(specials=many("a", 9))
    got = await queue.exchange("old", 9)
    await queue.join("new")
    await queue.exchange("old", 0, done=got.done)
    assert len((await queue.exchange("new", 9)).ids) == 8
    await check_keys(queue)


@pytest.mark.parametrize("victim", ["a0", "a1", "a2"])
async def test_a_cancelled_job_lets_the_next_one_go(queue: QueueDriver, victim: str) -> None:
    """Whether it runs, was just let out, or is parked."""
    await queue.join("s", rules=ONE)
    await queue.enqueue(specials=many("a", 4))
    got = await queue.exchange("s", 5)
    await queue.exchange("s", 0, done=got.done)
    await queue.cancel(victim)
    rest = [f"a{i}" for i in range(1, 4) if f"a{i}" != victim]
    order: list[str] = []
    got = await queue.exchange("s", 5)
    while got.ids:
        order += got.ids
        await check_keys(queue)
        got = await queue.exchange("s", 5, done=got.done)
    assert sorted(order) == rest


async def test_purge_takes_parked_jobs_too(queue: QueueDriver) -> None:
    await queue.join("s", rules=ONE)
    await queue.enqueue(["p"], [*many("a", 5), limited("late", "a", delay_ms=60_000)])
    await queue.exchange("s", 2)
    assert await queue.run("purge", 1000) == 5
    views = await check_keys(queue)
    assert views["a"].running == {"a0"}
    assert (await queue.stats()).parked == 0


async def test_a_replayed_exchange_takes_no_slot_twice(queue: QueueDriver) -> None:
    await queue.join("s", rules=TWO)
    await queue.enqueue(specials=many("a", 4))
    first = await queue.exchange("s", 9, seq=50)
    assert (await queue.exchange("s", 9, seq=50)).ids == first.ids
    assert (await check_keys(queue))["a"].running == set(first.ids)


async def test_dead_letters_keep_their_key_over_a_replay(queue: QueueDriver) -> None:
    await queue.join("s", rules=ONE)
    await queue.enqueue(specials=many("a", 2))
    got = await queue.exchange("s", 1)
    await queue.exchange("s", 0, others=[("bury", "a0", got.claim, "t", "E", "record", "", "", 1)])
    assert await queue.replay("a0") == 1
    assert len((await queue.exchange("s", 9)).ids) == 1
    assert (await check_keys(queue))["a"].running


async def test_a_deleted_dead_letter_leaves_no_mark(queue: QueueDriver) -> None:
    await queue.join("s", rules=ONE)
    await queue.enqueue(specials=many("a", 1))
    got = await queue.exchange("s", 1)
    await queue.exchange("s", 0, others=[("bury", "a0", got.claim, "t", "E", "record", "", "", 1)])
    assert await queue.run("delete_dead", "a0") == 1
    await check_keys(queue)
    assert (await queue.look()).hashes["marks"] == {}


async def test_a_job_whose_value_was_lost_holds_no_slot(queue: QueueDriver) -> None:
    await queue.join("s", rules=ONE)
    await queue.enqueue(specials=many("a", 3))
    await queue.link.request("HDEL", queue.key("jobs"), "a0")
    await queue.exchange("s", 1)
    assert (await queue.exchange("s", 1)).ids == ("a1",)
    await check_keys(queue)


async def test_one_call_looks_at_a_thousand_and_asks_to_be_called_again(queue: QueueDriver) -> None:
    await queue.join("s", rules=ONE)
    for start in range(0, 2_500, 500):
        await queue.enqueue(specials=[limited(f"a{start + i}", "a") for i in range(500)])
    first = await queue.exchange("s", 1)
    await queue.enqueue(["plain"])
    calls = []
    for _ in range(4):
        answer = await queue.exchange("s", 1)
        calls.append((answer.ids, answer.next_due_ms >= 0, (await queue.stats()).parked))
    assert first.ids == ("a0",)
    assert calls[:3] == [((), True, 1000), ((), True, 2000), (("plain",), False, 2499)]


async def test_what_is_parked_is_not_looked_at_again(queue: QueueDriver) -> None:
    """10⁵ parked jobs of one key: an exchange runs about as many commands as without them."""
    await queue.join("s", rules=ONE)
    await queue.enqueue(specials=[limited("first", "a"), limited("b0", "b")])
    held = await queue.exchange("s", 1)

    async def commands_of_an_exchange() -> int:
        await queue.link.request("CONFIG", "RESETSTAT")
        await queue.exchange("s", 50)
        text = (await queue.link.request("INFO", "commandstats")).decode()
        return sum(int(line.split("calls=")[1].split(",")[0]) for line in text.split() if line.startswith("cmdstat_"))

    few = await commands_of_an_exchange()
    for begin in range(1, 100_000, 5_000):  # in steps, for a machine that is busy
        await queue.link.request("EVAL", PARK, 1, queue.prefix, begin, value(), MARK_OF_A)
    assert await commands_of_an_exchange() <= few
    assert (await queue.exchange("s", 50, done=held.done)).ids == ("x1",), "the longest waiting"
    assert await commands_of_an_exchange() <= few


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


async def test_parked_jobs_are_no_demand(queue: QueueDriver) -> None:
    await queue.join("s", rules=ONE)
    await queue.enqueue(specials=many("a", 10))
    await queue.exchange("s", 10)
    stats = await queue.stats()
    assert (stats.ready, stats.parked, stats.leased, stats.demand) == (0, 9, 1, 1)


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


# -- older workers


async def test_a_job_with_a_mark_is_refused_while_an_older_worker_lives(queue: QueueDriver) -> None:
    await queue.join("old", protocol=1)
    await queue.enqueue(["plain"])
    with pytest.raises(Exception, match="a worker of this queue speaks protocol 1, limits and unique jobs need 2"):
        await queue.enqueue(["with it"], [limited("a", "a")])
    assert await queue.states() == {"plain": {"ready:default"}}
    await queue.leave("old")
    await queue.enqueue(specials=[limited("a", "a")])
    assert (await queue.join("old again", protocol=1))[0] == b"UPGRADE"


async def test_plain_jobs_raise_no_floor(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["a"], [Special("g", given=True)])
    assert (await queue.join("old", protocol=1))[0] == b"OK"
