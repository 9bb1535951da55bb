"""Limits of concurrency per key: what is claimed, what is parked, what lets the next one go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from headrace.client.limits import Rule
from headrace.worker.outcome import Released, Retried, settlement
from support.limited import check_keys, limited, many, run_all
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
    assert await run_all(queue, "s") == ["a0", "a1", "a2", "a3"], "first in, first out"
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
    assert sorted(await run_all(queue, "s")) == rest


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

    few = 2 + await commands_of_an_exchange()  # two to look whether a session has expired, which this one may have
    for begin in range(1, 100_000, 5_000):  # in steps, for a machine that is busy
        await queue.link.request("EVAL", PARK, 1, queue.prefix, begin, value(), MARK_OF_A)
    assert await commands_of_an_exchange() <= few
    assert (await queue.exchange("s", 50, done=held.done)).ids == ("x1",), "the longest waiting"
    assert await commands_of_an_exchange() <= few


async def test_parked_jobs_are_no_demand(queue: QueueDriver) -> None:
    await queue.join("s", rules=ONE)
    await queue.enqueue(specials=many("a", 10))
    await queue.exchange("s", 10)
    stats = await queue.stats()
    assert (stats.ready, stats.parked, stats.leased, stats.demand) == (0, 9, 1, 1)


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


async def test_a_worker_with_limits_keeps_older_ones_out_unless_one_is_there(queue: QueueDriver) -> None:
    await queue.join("old", protocol=1)
    await queue.join("new", rules=ONE)
    assert (await queue.join("old too", protocol=1))[0] == b"OK", "a rollout goes on"
    await queue.leave("old")
    await queue.leave("old too")
    await queue.join("newer", rules=ONE)
    assert (await queue.join("old", protocol=1))[0] == b"UPGRADE"


async def test_plain_jobs_raise_no_floor(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["a"], [Special("g", given=True)])
    assert (await queue.join("old", protocol=1))[0] == b"OK"


@pytest.mark.parametrize("fault", ["ghost", "doubled"])
async def test_what_mending_lets_out_wakes_a_worker(queue: QueueDriver, fault: str) -> None:
    await queue.join("s", rules=ONE)
    await queue.enqueue(specials=many("a", 2))
    assert (await queue.exchange("s", 9)).ids == ("a0",)
    await queue.join("idle", rules=ONE)
    assert (await queue.exchange("idle", 9)).ids == ()
    await queue.link.request("DEL", queue.key("wake"))
    if fault == "ghost":
        await queue.link.request("HDEL", queue.key("jobs"), "a0")
    else:
        await queue.link.request("ZADD", queue.key("dead"), 5, "a0")
    assert await queue.run("mend", "a0") == 1
    assert await queue.place("a1") == "ready:default"
    assert (await queue.look()).wake == 1
