"""What versions have done stays bounded however many there were, and no total ever shrinks."""

from __future__ import annotations

import re
import statistics
import time

import msgspec
import pytest

from headrace.contract.protocol import TRIAL_MS
from headrace.contract.replies import decode_stats
from headrace.contract.scripts import read_lua
from headrace.contract.stats import QueueStats, VersionCounts
from headrace.wire.link import Link
from support.queue_driver import QueueDriver

KEPT = 20
COUNTERS = VersionCounts.__struct_fields__
MANY = 1_000


def totals(stats: QueueStats) -> dict[str, int]:
    return {name: sum(getattr(one, name) for one in stats.versions.values()) for name in COUNTERS}


async def serve(queue: QueueDriver, version: str, *, sid: str = "s") -> None:
    """A worker of that version comes, does one job, fails one, and goes."""
    await queue.advance(1)
    await queue.enqueue([f"{version}-done", f"{version}-dead"])
    await queue.join(sid, version=version)
    got = await queue.exchange(sid, 2, version=version)
    done, dead = got.ids
    bury = ("bury", dead, got.claim, "t", "E", "record", "", "", 1)
    await queue.exchange(sid, version=version, done={got.claim: [done]}, others=[bury], service_us=5)
    await queue.leave(sid)


async def size(queue: QueueDriver) -> tuple[int, int]:
    """Fields, and versions whose age is known."""
    fields: int = await queue.link.request("HLEN", queue.key("versions"))
    ages: int = await queue.link.request("ZCARD", queue.key("seen"))
    return fields, ages


async def read_ms(queue: QueueDriver) -> float:
    """Median of a stats read."""
    took = []
    for _ in range(30):
        begun = time.perf_counter()
        await queue.stats()
        took.append(time.perf_counter() - begun)
    return 1000 * statistics.median(took)


def test_the_bound_leaves_room_for_every_counter() -> None:
    [kept, counters] = re.findall(r"^local KEPT_VERSIONS, COUNTERS.* = (\d+), (\d+)", read_lua("lib/fold.lua"), re.M)[0]
    assert (int(kept), int(counters)) == (KEPT, len(COUNTERS))


async def test_a_thousand_versions_leave_a_bounded_structure_and_totals_that_never_shrank(queue: QueueDriver) -> None:
    await serve(queue, "first")
    alone, before = await read_ms(queue), totals(await queue.stats())
    for number in range(MANY):
        await serve(queue, f"v{number}")
        if number % 50 == 0 or number < 2 * KEPT:
            fields, ages = await size(queue)
            assert fields <= (KEPT + 1) * len(COUNTERS)
            assert ages <= KEPT
            now = totals(await queue.stats())
            assert all(now[name] >= before[name] for name in COUNTERS)
            before = now
    stats = await queue.stats()
    assert set(stats.versions) == {"*", *(f"v{number}" for number in range(MANY - KEPT, MANY))}
    assert stats.versions["*"] == VersionCounts(completed=981, failed=981, dead=981, service_us=5 * 981)
    assert totals(stats) | {"crashed": 0} == dict.fromkeys(COUNTERS, MANY + 1) | {
        "service_us": 5 * (MANY + 1),
        "returned": 0,
        "crashed": 0,
    }
    fields, _ = await size(queue)
    print(
        f"{fields} fields after {MANY + 1} versions; a read takes {await read_ms(queue):.2f} ms, with one {alone:.2f}"
    )


async def test_what_an_earlier_release_has_left_is_folded_with_the_next_worker(queue: QueueDriver, link: Link) -> None:
    flat = [part for n in range(MANY) for name in COUNTERS for part in (f"old{n}:{name}", 2)]
    await link.request("HSET", queue.key("versions"), *flat)
    slow = await read_ms(queue)
    await queue.join("s", version="new")
    fields, ages = await size(queue)
    assert (fields, ages) == (KEPT * len(COUNTERS), KEPT), "19 of them and the sum; the new one has done nothing"
    stats = await queue.stats()
    assert totals(stats) == dict.fromkeys(COUNTERS, 2 * MANY)
    print(f"a read took {slow:.2f} ms, then {await read_ms(queue):.2f}")


async def test_versions_that_live_or_are_on_trial_are_kept_whatever_their_age(queue: QueueDriver) -> None:
    await serve(queue, "tried")
    await serve(queue, "live")
    await queue.run("trial", TRIAL_MS, "other", "tried")
    await queue.join("long", version="live")
    for number in range(3 * KEPT):
        await serve(queue, f"v{number}")
    versions = (await queue.stats()).versions
    assert {name: versions[name].completed for name in ("tried", "live")} == {"tried": 1, "live": 1}


@pytest.mark.parametrize("end", ["leave", "reap_session"])
async def test_a_version_is_as_old_as_the_end_of_its_last_session(queue: QueueDriver, end: str) -> None:
    await serve(queue, "sleeper")
    await queue.join("long", version="sleeper")
    for number in range(KEPT):
        await serve(queue, f"v{number}")
    await queue.advance(1)
    await queue.run(end, "long")
    for number in range(KEPT - 1):
        await serve(queue, f"w{number}")
    assert (await queue.stats()).versions["sleeper"].completed == 1
    await serve(queue, "last")
    assert "sleeper" not in (await queue.stats()).versions


async def test_versions_that_never_did_anything_leave_nothing(queue: QueueDriver) -> None:
    for number in range(3 * KEPT):
        await queue.advance(1)
        await queue.join("s", version=f"v{number}")
        await queue.leave("s")
    assert await size(queue) == (0, KEPT)


async def test_an_operator_of_an_earlier_release_reads_the_same_totals(queue: QueueDriver) -> None:
    for number in range(2 * KEPT):
        await serve(queue, f"v{number}")
    told = await queue.run("stats")
    names = [told[i] for i in range(0, len(told), 2)]
    at = 2 * names.index(b"failures")
    assert totals(decode_stats("q", [*told[:at], *told[at + 2 :]]))["completed"] == 2 * KEPT


async def test_a_worker_that_describes_itself_strangely_still_joins(queue: QueueDriver) -> None:
    for number, told in enumerate((["w"], ["w", ["no", "text"]], {"not": "a list"})):
        assert (await queue.run("join", f"s{number}", 30_000, msgspec.msgpack.encode(told), 1))[0] == b"OK"
