"""maxmemory with noeviction: enqueue is refused whole, everything that frees memory goes on, the queue drains."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from headrace.client.limits import Rule
from headrace.contract.entry import Mark
from headrace.contract.protocol import CANCELLED_MARK
from headrace.errors import QueueFullError
from headrace.wire.link import Link
from headrace.worker.outcome import Done, Retried, settlement
from support.limited import limited, run_all
from support.queue_driver import QueueDriver, Special


@pytest.fixture
async def full(link: Link, queue: QueueDriver) -> AsyncIterator[QueueDriver]:
    """Jobs j0…j9 wait, session s holds j0 and j1, and the server has no byte to spare."""
    await queue.join("s")
    await queue.enqueue([f"j{i}" for i in range(10)], specials=[Special("later", delay_ms=3_600_000)])
    await queue.exchange("s", 2, seq=500)
    await link.request("CONFIG", "SET", "maxmemory", "1mb")
    try:
        yield queue
    finally:
        await link.request("CONFIG", "SET", "maxmemory", "0")


@pytest.mark.parametrize(
    ("ids", "specials"),
    [
        (["new"], []),
        ([], [Special("new")]),
        ([], [Special("new", given=True, delay_ms=50)]),
        (["new"], [Special("new2", priority="high")]),
        ([], [limited("new", "k")]),
        ([], [Special("new", given=True, mark=Mark(unique="k", unique_ms=60_000, fingerprint="f"))]),
    ],
    ids=["plain", "special", "given", "both", "limited", "unique"],
)
async def test_enqueue_is_refused_whole(full: QueueDriver, ids: list[str], specials: list[Special]) -> None:
    before = await full.look()
    with pytest.raises(QueueFullError):
        await full.enqueue(ids, specials, producer="new", seq=1)
    assert await full.look() == before
    assert await full.link.request("EXISTS", full.key("p:new"), full.key("i:new")) == 0


async def test_the_queue_drains(full: QueueDriver) -> None:
    got = await full.exchange("s", 2, seq=500)
    assert set(got.ids) == {"j0", "j1"}
    others = [settlement("j0", got.claim, Retried(1, 0, "boom")), settlement("j1", got.claim, Done(b"r", 60_000))]
    got = await full.exchange("s", 100, others=[item for item in others if item])
    assert len(got.ids) == 9
    await full.exchange("s", 100, done=got.done)
    assert set(await full.states()) == {"later"}
    await full.link.request("CONFIG", "SET", "maxmemory", "0")
    await full.enqueue(["new"])
    assert await full.place("new") == "ready:default"


async def test_results_are_kept_bounded_and_told(full: QueueDriver) -> None:
    await full.link.request("CONFIG", "SET", "maxmemory", "0")
    await full.link.request("HSET", full.key("keep"), "t", 60_000)
    await full.link.request("CONFIG", "SET", "maxmemory", "1mb")
    got = await full.exchange("s", 2, seq=500)
    kept = [settlement(job, got.claim, Done(b"\x01", 60_000, "t", 1)) for job in got.ids]
    await full.exchange("s", others=[entry for entry in kept if entry])
    assert await full.link.request("EXISTS", *(full.key(f"r:{job}") for job in got.ids)) == 1
    assert await full.link.request("ZCARD", full.key("kept:t")) == 1
    assert await full.cancel("j5") == "cancelled"
    assert (await full.link.request("GET", full.key("r:j5"))).startswith(CANCELLED_MARK)
    assert await full.run("purge", 1000) == 8
    assert set(await full.states()) == set()


async def test_a_queue_at_its_limit_says_so_before_redis_does(full: QueueDriver) -> None:
    await full.link.request("CONFIG", "SET", "maxmemory", "0")
    await full.link.request("HSET", full.key("meta"), "limit", 9)
    await full.link.request("CONFIG", "SET", "maxmemory", "1mb")
    with pytest.raises(QueueFullError) as caught:
        await full.enqueue(["new"])
    assert (caught.value.limit, caught.value.room) == (9, 0)


async def test_limited_jobs_are_parked_and_drain(link: Link, queue: QueueDriver) -> None:
    await queue.join("s", rules={"t": Rule(concurrency=1), "": Rule(interval_us=1, burst=100)})
    await queue.enqueue(specials=[limited(f"a{i}", "a") for i in range(5)])
    await link.request("CONFIG", "SET", "maxmemory", "1mb")
    try:
        assert await run_all(queue, "s") == [f"a{i}" for i in range(5)]
    finally:
        await link.request("CONFIG", "SET", "maxmemory", "0")


async def test_workers_come_and_go(full: QueueDriver) -> None:
    assert (await full.join("s2"))[0] == b"OK"
    assert (await full.renew("s2", progress=b"some"))[0] == b"OK"
    assert len((await full.exchange("s2", 3)).ids) == 3
    assert await full.leave("s2") == 3
    assert (await full.exchange("nobody", 1, done={"0.1": ["j0"]})).status == "LOST"


@pytest.mark.parametrize("job_id", ["j0", "j5", "later"])
async def test_cancel_goes_on(full: QueueDriver, job_id: str) -> None:
    assert await full.cancel(job_id) == ("cancelling" if job_id == "j0" else "cancelled")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("cordon", (60_000, "s")),
        ("pause", ()),
        ("resume", ()),
        ("reap_session", ("s",)),
        ("stats", ()),
        ("locate", ("j0",)),
        ("delete_dead", ("j0",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_the_operators_scripts_go_on(full: QueueDriver, name: str, arguments: tuple[str | int, ...]) -> None:
    await full.run(name, *arguments)


async def test_the_dead_can_be_replayed_and_leases_end(full: QueueDriver) -> None:
    got = await full.exchange("s", 2, seq=500)
    bury = ("bury", "j0", got.claim, "t", "E", "", "f", "tb", 1)
    await full.exchange("s", others=[bury])
    assert await full.replay("j0", "nobody") == 1
    assert await full.place("j0") == "ready:default"
