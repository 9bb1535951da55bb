"""leased → done | scheduled | ready | dead, and what a stale settlement may not do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headrace.contract.envelope import DeathRecord, decode, decode_dead_entry
from headrace.worker.outcome import Buried, Cancelled, Done, Outcome, Released, Retried, settlement
from support.queue_driver import LEASE_MS, Exchanged, QueueDriver

pytestmark = pytest.mark.everywhere

RECORD = DeathRecord("ValueError: no", attempts=4, crashes=0, worker="w", seconds=0.5)
BURIED = Buried("t", "ValueError", RECORD, 4, "f" * 8, "Traceback …")


async def claimed(queue: QueueDriver, count: int = 1) -> Exchanged:
    await queue.join("s")
    await queue.enqueue([f"j{i}" for i in range(count)])
    return await queue.exchange("s", count)


def entry(job_id: str, claim: str, outcome: Outcome) -> object:
    made = settlement(job_id, claim, outcome)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("outcome", "place", "attempts", "counted"),
    [
        (Retried(3, 0, "boom"), "ready:default", 3, {"failed": 1}),
        (Retried(1, 5_000, "boom"), "scheduled", 1, {"failed": 1}),
        (Retried(999, 0, "boom"), "ready:default", 255, {"failed": 1}),
        (Released(1_000_000), "ready:default", 0, {"released": 1}),
        (Released(1_000_000, 5_000), "scheduled", 0, {"released": 1}),
        (BURIED, "dead", 4, {"failed": 1, "dead": 1}),
        (Cancelled(), "gone", None, {"cancelled": 1}),
        (Done(b"42", 60_000), "gone", None, {"completed": 1}),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
async def test_each_outcome_has_its_place(
    queue: QueueDriver, outcome: Outcome, place: str, attempts: int | None, counted: dict[str, int]
) -> None:
    got = await claimed(queue)
    after = await queue.exchange("s", others=[entry("j0", got.claim, outcome)])
    assert (after.status, after.stale) == ("OK", ())
    assert await queue.place("j0") == place
    snapshot = await queue.look()
    if attempts is not None:
        assert decode(snapshot.hashes["jobs"]["j0"]).attempts == attempts
    versions = {k.removeprefix("v1:"): int(v) for k, v in snapshot.hashes["versions"].items()}
    said = {name: versions.get(name, snapshot.counter(name)) for name in counted}
    assert said == counted
    assert not snapshot.misplaced()
    assert not snapshot.leftovers()


async def test_done_forgets_the_job_and_counts_its_time(queue: QueueDriver) -> None:
    got = await claimed(queue, 3)
    await queue.exchange("s", done=got.done, service_us=700, version="v2")
    stats = await queue.stats()
    assert await queue.states() == {}
    assert (stats.versions["v2"].completed, stats.versions["v2"].service_us, stats.leased) == (3, 700, 0)


async def test_done_told_once_more_among_the_others(queue: QueueDriver) -> None:
    got = await claimed(queue)
    await queue.exchange("s", others=[("done", "j0", got.claim)])
    assert await queue.states() == {}
    assert (await queue.look()).completed() == 1


async def test_an_id_named_twice_counts_once(queue: QueueDriver) -> None:
    got = await claimed(queue)
    await queue.exchange("s", done={got.claim: ["j0", "j0"]})
    assert (await queue.look()).completed() == 1


async def test_a_result_is_kept_for_its_time(queue: QueueDriver) -> None:
    got = await claimed(queue)
    await queue.exchange("s", others=[entry("j0", got.claim, Done(b"\x00\xff", 60_000))])
    assert await queue.link.request("GET", queue.key("r:j0")) == b"\x00\xff"
    assert 0 < await queue.link.request("PTTL", queue.key("r:j0")) <= 60_000


async def test_a_release_keeps_its_place_in_the_queue(queue: QueueDriver) -> None:
    await queue.join("s")
    await queue.enqueue(["first", "second", "third"])
    got = await queue.exchange("s", 1)
    await queue.exchange("s", others=[entry("first", got.claim, Released(got.ready_us[0]))])
    assert (await queue.exchange("s", 3)).ids == ("first", "second", "third")


async def test_a_dead_letter_keeps_reason_record_and_traceback(queue: QueueDriver) -> None:
    got = await claimed(queue, 2)
    await queue.exchange("s", others=[entry(f"j{i}", got.claim, BURIED) for i in range(2)])
    hashes = (await queue.look()).hashes
    assert decode_dead_entry(hashes["dj"]["j1"]) == ("t|ValueError", "f" * 8, RECORD)
    assert hashes["facets"] == {"t|ValueError": b"2"}
    assert (hashes["tb"], hashes["tbn"]) == ({"f" * 8: "Traceback …".encode()}, {"f" * 8: b"2"})


async def test_reasons_are_bounded(queue: QueueDriver) -> None:
    got = await claimed(queue, 203)
    buried = [entry(f"j{i}", got.claim, Buried("t", f"E{i}", RECORD, 1)) for i in range(203)]
    await queue.exchange("s", others=buried)
    facets = (await queue.look()).hashes["facets"]
    assert len(facets) == 201
    assert facets["t|other"] == b"3"


STALE: list[tuple[str, Callable[[str], object]]] = [
    ("retry", lambda claim: entry("j0", claim, Retried(1, 0, "late"))),
    ("release", lambda claim: entry("j0", claim, Released(5))),
    ("bury", lambda claim: entry("j0", claim, BURIED)),
    ("cancel", lambda claim: entry("j0", claim, Cancelled())),
    ("result", lambda claim: entry("j0", claim, Done(b"late", 60_000))),
    ("done", lambda claim: ("done", "j0", claim)),
]


@pytest.mark.parametrize(("kind", "late"), STALE, ids=[name for name, _ in STALE])
async def test_a_settlement_under_another_claim_changes_nothing(
    queue: QueueDriver, kind: str, late: Callable[[str], object]
) -> None:
    first = await claimed(queue)
    await queue.exchange("s", others=[entry("j0", first.claim, Retried(1, 0, "boom"))])
    second = await queue.exchange("s", 1)
    assert second.ids == ("j0",)
    before = await queue.look()
    refused = await queue.exchange("s", others=[late(first.claim)])
    after = await queue.look()
    assert refused.stale == ("j0",)
    assert after.counter("stale") == 1
    assert (after.places, after.hashes["jobs"]) == (before.places, before.hashes["jobs"])
    assert await queue.link.request("EXISTS", queue.key("r:j0")) == 0


async def test_done_under_an_older_claim_of_the_same_session_is_refused(queue: QueueDriver) -> None:
    first = await claimed(queue)
    await queue.exchange("s", others=[entry("j0", first.claim, Retried(1, 0, "boom"))])
    await queue.exchange("s", 1)
    assert (await queue.exchange("s", done=first.done)).stale == ("j0",)
    assert await queue.place("j0") == "leased:s"


async def test_stale_done_ids_are_told_apart_from_held_ones(queue: QueueDriver) -> None:
    got = await claimed(queue, 3)
    await queue.exchange("s", done={got.claim: ["j1"]})
    mixed = await queue.exchange("s", done={got.claim: ["j0", "j1", "j2", "never"]})
    assert mixed.stale == ("j1", "never")
    assert (await queue.look()).completed() == 3


async def test_another_sessions_settlement_is_refused(queue: QueueDriver) -> None:
    got = await claimed(queue)
    await queue.join("other")
    refused = await queue.exchange("other", done=got.done)
    assert refused.stale == ("j0",)
    assert await queue.place("j0") == "leased:s"


async def test_a_reaped_session_settles_nothing(queue: QueueDriver) -> None:
    got = await claimed(queue, 2)
    await queue.advance(LEASE_MS // 3)
    await queue.join("other")
    await queue.advance(LEASE_MS // 3)
    await queue.renew("other")
    await queue.advance(LEASE_MS // 2)
    taken = await queue.exchange("other", 10)
    assert set(taken.ids) == {"j0", "j1"}
    late = await queue.exchange("s", 5, done={got.claim: ["j0"]}, others=[entry("j1", got.claim, BURIED)])
    assert (late.status, late.ids) == ("LOST", ())
    assert (await queue.look()).counter("stale") == 2
    assert await queue.states() == {"j0": {"leased:other"}, "j1": {"leased:other"}}
    assert (await queue.renew("s"))[0] == b"LOST"


async def test_leave_gives_back_uncharged(queue: QueueDriver) -> None:
    await claimed(queue, 3)
    assert await queue.leave("s") == 3
    assert await queue.leave("s") == 0
    snapshot = await queue.look()
    assert (snapshot.ready, snapshot.counter("released"), snapshot.hashes["crash"]) == (3, 3, {})
    assert not snapshot.zsets["sess"]
    assert not snapshot.leftovers()
