"""(new) → ready | scheduled; given ids; protocol versions; scripts that the server has forgotten; big batches."""

from __future__ import annotations

import pytest

from headrace.contract.protocol import CHUNK, PROTOCOL
from headrace.contract.scripts import NAMES, VARIANTS
from headrace.wire.link import Link
from support.queue_driver import QueueDriver, Special, value

pytestmark = pytest.mark.everywhere


async def test_order_is_first_in_first_out_over_batches(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["a", "b"])
    await queue.enqueue(["c"], [Special("d", given=True)])
    got = await queue.exchange("s", 9)
    assert got.ids == ("a", "b", "c", "d")
    assert got.values[0] == value()
    assert sorted(got.ready_us) == list(got.ready_us)


async def test_a_given_id_is_taken_once(queue: QueueDriver) -> None:
    twice = [Special("g", given=True), Special("g", given=True), Special("h", given=True)]
    assert await queue.enqueue(specials=twice) == ("g",)
    assert await queue.enqueue(specials=[Special("g", given=True)]) == ("g",)
    assert (await queue.stats()).enqueued == 2


async def test_a_given_id_stays_taken_after_the_job_is_done(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(specials=[Special("g", given=True)])
    got = await queue.exchange("s", 1)
    await queue.exchange("s", done=got.done)
    assert await queue.enqueue(specials=[Special("g", given=True)]) == ("g",)
    await queue.link.request("DEL", queue.key("i:g"))  # what its expiry does
    assert await queue.enqueue(specials=[Special("g", given=True)]) == ()
    assert await queue.place("g") == "ready:default"


async def test_what_is_remembered_expires(queue: QueueDriver) -> None:
    await queue.enqueue(specials=[Special("g", given=True)])
    for name in ("p:p", "i:g"):
        assert await queue.link.request("PTTL", queue.key(name)) > 0


async def test_a_batch_of_a_thousand_of_each_kind(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue([f"p{i}" for i in range(CHUNK)])
    await queue.enqueue(specials=[Special(f"s{i}", given=True) for i in range(CHUNK)])
    await queue.enqueue(specials=[Special(f"d{i}", delay_ms=10, priority="low") for i in range(CHUNK)])
    await queue.advance(20)
    done: dict[str, tuple[str, ...]] = {}
    ids: set[str] = set()
    for _ in range(3):
        got = await queue.exchange("s", CHUNK, done=done)
        assert len(got.ids) == CHUNK
        done = got.done
        ids.update(got.ids)
    await queue.exchange("s", done=done)
    assert len(ids) == 3 * CHUNK
    snapshot = await queue.look()
    assert (snapshot.places, snapshot.completed()) == ({}, 3 * CHUNK)
    assert not snapshot.leftovers()


async def test_a_thousand_leases_released_and_retried(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue([f"p{i}" for i in range(CHUNK)])
    got = await queue.exchange("s", CHUNK)
    await queue.exchange("s", others=[("retry", job_id, got.claim, 1, 0) for job_id in got.ids])
    got = await queue.exchange("s", CHUNK)
    assert len(got.ids) == CHUNK
    assert await queue.leave("s") == CHUNK
    assert (await queue.look()).ready == CHUNK


async def test_an_older_worker_is_told_to_upgrade(queue: QueueDriver) -> None:
    await queue.link.request("HSET", queue.key("meta"), "min_proto", PROTOCOL + 1)
    assert await queue.join("old") == [b"UPGRADE", PROTOCOL + 1]
    assert await queue.join("new", protocol=PROTOCOL + 1) == [b"OK", queue.now_ms]
    assert [worker.sid for worker in (await queue.stats()).workers] == ["new"]
    assert (await queue.exchange("old", 1)).status == "LOST"


async def test_scripts_come_back_after_the_server_forgot_them(link: Link) -> None:
    queue = QueueDriver(link)
    await queue.join("s")
    await queue.enqueue(["a"])
    for step in ("enqueue", "exchange", "renew", "leave"):
        await link.request("SCRIPT", "FLUSH")
        match step:
            case "enqueue":
                await queue.enqueue(["b"])
            case "exchange":
                assert (await queue.exchange("s", 2)).ids == ("a", "b")
            case "renew":
                assert (await queue.renew("s"))[:1] == [b"OK"]
            case _:
                assert await queue.leave("s") == 2


async def test_two_queues_in_one_server_do_not_touch(link: Link) -> None:
    one, two = QueueDriver(link, "one"), QueueDriver(link, "two")
    await one.enqueue(["a"])
    await two.join("s")
    assert (await two.exchange("s", 1)).ids == ()
    assert (await one.stats()).ready == 1


@pytest.mark.parametrize("name", [*NAMES, *(f"{variant}/{name}" for variant in VARIANTS for name in NAMES)])
async def test_the_server_compiles_each_script(queue: QueueDriver, name: str) -> None:
    loaded = await queue.link.request("SCRIPT", "LOAD", queue._source(name))
    assert len(loaded) == 40
