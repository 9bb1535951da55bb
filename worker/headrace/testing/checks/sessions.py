"""Enqueue, claim, settle, leases: what every broker must do, whatever it lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from headrace.brokers.protocol import Exchanged, LeaseRenewal, RenewedLease
from headrace.contract.envelope import decode
from headrace.errors import HeadraceError
from headrace.testing.conformance import LEASE_MS, Bench, Checks, Seat, Settling, entry, presence

CHECKS = Checks()


@CHECKS.add()
async def jobs_are_claimed_in_the_order_of_their_enqueue(bench: Bench) -> None:
    await bench.jobs("a", "b", "c")
    seat = await bench.seat()
    assert await bench.state("a") == "ready"
    assert await seat.ids(2) == ["a", "b"]
    assert (await bench.state("a"), await bench.state("c")) == ("leased", "ready")
    assert await seat.ids(2) == ["c"]
    assert await seat.ids(2) == []


@CHECKS.add()
async def a_job_that_is_done_is_forgotten(bench: Bench) -> None:
    await bench.jobs("a")
    seat = await bench.seat()
    ((job_id, claim),) = await seat.claim()
    reply = await seat.exchange(0, ("done", job_id, claim))
    assert not reply.stale
    assert await bench.state("a") == "done"
    assert await bench.broker.held(bench.queue, seat.sid) == {}
    stats = await bench.broker.stats(bench.queue)
    assert (stats.enqueued, stats.leased, stats.ready) == (1, 0, 0)


@CHECKS.add()
async def the_same_enqueue_again_adds_nothing(bench: Bench) -> None:
    await bench.jobs("a")
    await bench.jobs("b")
    assert await bench.enqueue(entry("b"), seq=bench.seq) == {}
    assert (await bench.broker.stats(bench.queue)).enqueued == 2
    assert await (await bench.seat()).ids() == ["a", "b"]


@CHECKS.add()
async def an_enqueue_that_was_overtaken_is_refused(bench: Bench) -> None:
    await bench.jobs("a")
    await bench.jobs("b")
    await refused(bench.enqueue(entry("a"), seq=1))
    assert (await bench.broker.stats(bench.queue)).enqueued == 2


@CHECKS.add()
async def the_same_exchange_again_hands_out_the_same_jobs_and_settles_nothing(bench: Bench) -> None:
    await bench.jobs("a", "b", "c")
    seat = await bench.seat()
    ((first, claim),) = await seat.claim()
    reply = await seat.exchange(1, ("done", first, claim), ("done", "stranger", "0.9"))
    again = await seat.exchange(1, ("done", first, claim), ("done", "stranger", "0.9"), seq=seat.seq)
    assert list(again.ids) == list(reply.ids) == [b"b"]
    assert list(again.values) == list(reply.values)
    assert list(again.stale) == list(reply.stale) == [b"stranger"]
    stats = await bench.broker.stats(bench.queue)
    assert (stats.ready, stats.leased, stats.versions["v1"].completed, stats.stale) == (1, 1, 1, 1)


@CHECKS.add()
async def an_exchange_that_was_overtaken_is_refused(bench: Bench) -> None:
    seat = await bench.seat()
    await seat.exchange(1)
    await seat.exchange(1)
    await refused(seat.exchange(1, seq=1))
    assert (await seat.exchange(1, lane="1", seq=1)).status == b"OK"


@CHECKS.add()
async def a_settlement_counts_only_under_the_claim_it_names(bench: Bench) -> None:
    await bench.jobs("a")
    one, other = await bench.seat(), await bench.seat()
    ((_, claim),) = await one.claim()
    assert list((await other.exchange(0, ("done", "a", claim))).stale) == [b"a"]
    assert list((await one.exchange(0, ("done", "a", "0.77"))).stale) == [b"a"]
    assert await bench.broker.held(bench.queue, one.sid) == {"a": claim}
    assert not (await one.exchange(0, ("done", "a", claim))).stale
    assert list((await one.exchange(0, ("done", "a", claim))).stale) == [b"a"]


@CHECKS.add()
async def an_unknown_session_gets_and_settles_nothing(bench: Bench) -> None:
    await bench.jobs("a")
    reply = await Seat(bench.broker, bench.queue, "nobody").exchange(1)
    assert (reply.status, list(reply.ids)) == (b"LOST", [])
    assert await bench.state("a") == "ready"


@CHECKS.add()
async def a_released_job_keeps_its_place_and_is_charged_nothing(bench: Bench) -> None:
    await bench.jobs("a", "b")
    seat = await bench.seat()
    reply = await seat.exchange(1)
    await seat.exchange(0, ("release", "a", "0.1", str(int(reply.ready_us[0])), 0))
    reply = await seat.exchange(1)
    assert list(reply.ids) == [b"a"]
    assert decode(reply.values[0]).attempts == 0


@CHECKS.add()
async def a_retry_without_delay_is_ready_again_with_its_attempts(bench: Bench) -> None:
    await bench.jobs("a")
    seat = await bench.seat()
    ((_, claim),) = await seat.claim()
    reply = await seat.exchange(1, ("retry", "a", claim, 1, 0, "OSError"))
    assert list(reply.ids) == [b"a"]
    assert decode(reply.values[0]).attempts == 1


@CHECKS.add()
async def a_session_that_leaves_gives_back_what_it_holds(bench: Bench) -> None:
    await bench.jobs("a", "b")
    one, other = await bench.seat(), await bench.seat()
    await one.claim(2)
    assert await bench.broker.leave(bench.queue, one.sid) == 2
    assert (await one.exchange(1)).status == b"LOST"
    reply = await other.exchange(2)
    assert sorted(reply.ids) == [b"a", b"b"]
    assert not any(reply.crashes)


@CHECKS.add()
async def the_jobs_of_a_session_that_falls_silent_go_to_others_and_are_fenced(bench: Bench) -> None:
    await bench.jobs("a")
    silent = await bench.seat(lease_ms=LEASE_MS)
    ((_, claim),) = await silent.claim()
    heir = await bench.seat()
    reply = await until_claimed(bench, heir)
    assert (list(reply.ids), list(reply.crashes)) == ([b"a"], [1])
    late = await silent.exchange(1, ("done", "a", claim))
    assert late.status == b"LOST"
    assert await bench.state("a") == "leased"
    assert not (await heir.exchange(0, ("done", "a", f"0.{heir.seq}"))).stale


@CHECKS.add()
async def a_session_that_speaks_again_before_others_look_has_lost_nothing(bench: Bench) -> None:
    await bench.jobs("a")
    await bench.seat()
    late = await bench.seat(lease_ms=LEASE_MS)
    ((_, claim),) = await late.claim()
    await bench.pass_time(2 * LEASE_MS / 1000)
    reply = await late.exchange(0, ("done", "a", claim))
    assert (reply.status, list(reply.stale)) == (b"OK", [])


@CHECKS.add()
async def a_renewed_session_keeps_its_jobs(bench: Bench) -> None:
    await bench.jobs("a")
    busy = await bench.seat(lease_ms=10 * LEASE_MS)
    ((_, claim),) = await busy.claim()
    other = await bench.seat()
    for _ in range(15):
        await bench.pass_time(LEASE_MS / 1000)
        assert await renew(bench, busy.sid, 10 * LEASE_MS) == RenewedLease(True, 1, [], False)
        assert await other.ids() == []
    assert not (await busy.exchange(0, ("done", "a", claim))).stale


@CHECKS.add()
async def a_renewal_of_an_unknown_session_says_so(bench: Bench) -> None:
    assert not (await renew(bench, "nobody", LEASE_MS)).live


@CHECKS.add()
async def a_job_that_crashes_its_workers_is_dead_after_five(bench: Bench) -> None:
    await bench.jobs("poison")
    watcher = await bench.seat()
    await watcher.exchange(0)
    for crashes in range(5):
        victim = await bench.seat(lease_ms=LEASE_MS)
        reply = await until_claimed(bench, victim)
        assert list(reply.ids) == [b"poison"]
        assert (reply.crashes[0] if reply.crashes else 0) == crashes
        async with asyncio.timeout(60):
            while await bench.state("poison") == "leased":
                await bench.pass_time(LEASE_MS / 4000)
                await watcher.exchange(0)
    assert await bench.state("poison") == "dead"
    assert (await bench.broker.stats(bench.queue)).crashed == 5


@CHECKS.add()
async def a_paused_queue_settles_and_claims_nothing(bench: Bench) -> None:
    await bench.jobs("a", "b")
    seat = await bench.seat()
    ((_, claim),) = await seat.claim()
    await bench.broker.pause(bench.queue, True)
    reply = await seat.exchange(1, ("done", "a", claim))
    assert (reply.status, list(reply.ids)) == (b"PAUSED", [])
    assert await bench.state("a") == "done"
    await bench.broker.pause(bench.queue, False)
    assert await seat.ids() == ["b"]


@CHECKS.add()
async def an_idle_session_is_woken_by_an_enqueue(bench: Bench) -> None:
    seat = await bench.seat()
    await seat.exchange(1)
    waiting = asyncio.create_task(bench.open().wait_for_work(bench.queue, 60, 70))
    await asyncio.sleep(0.01)  # mostly the wait has begun; a token that came before it ends it as well
    await bench.jobs("a")
    await asyncio.wait_for(waiting, 30)
    assert (await seat.exchange(1, flags="i")).ids == [b"a"]


@CHECKS.add()
async def a_token_waits_for_a_session_that_was_about_to_wait(bench: Bench) -> None:
    seat = await bench.seat()
    await seat.exchange(1)
    await bench.jobs("a")
    await asyncio.wait_for(bench.open().wait_for_work(bench.queue, 60, 70), 30)


@CHECKS.add()
async def an_exchange_stands_until_there_is_work(bench: Bench) -> None:
    seat = await bench.seat()
    await seat.exchange(1)
    line = bench.open()
    words = (bench.queue, seat.sid, "standing", 1000)
    standing = asyncio.create_task(line.exchange_when_woken(*words, 1, "i", "v1", Settling(), 60, 70))
    await asyncio.sleep(0.01)  # mostly it stands by now; a token that came before it lets it through as well
    await bench.jobs("a", "b")
    assert (await asyncio.wait_for(standing, 30)).ids == [b"a"]
    again = await line.exchange(*words, 0, "q", "v1", Settling())
    assert again.ids == [b"a"]


@CHECKS.add()
async def an_exchange_whose_line_is_closed_claims_no_more(bench: Bench) -> None:
    seat = await bench.seat()
    await seat.exchange(1)
    line = bench.open()
    words = (bench.queue, seat.sid, "standing", 1000)
    standing = asyncio.create_task(line.exchange_when_woken(*words, 1, "i", "v1", Settling(), 60, 70))
    while not standing.done():
        await line.close()
        await asyncio.wait([standing], timeout=0.02)
    await refused(standing)
    assert (await line.exchange(*words, 0, "q", "v1", Settling())).ids == []
    await bench.jobs("a")
    assert await bench.state("a") == "ready"
    assert await seat.ids() == ["a"]


@CHECKS.add()
async def numbers_are_those_of_the_queue(bench: Bench) -> None:
    await bench.jobs("a", "b", "c")
    seat = await bench.seat()
    ((_, claim),) = await seat.claim()
    await seat.exchange(1, ("done", "a", claim))
    stats = await bench.broker.stats(bench.queue)
    assert (stats.enqueued, stats.ready, stats.leased, stats.dead) == (3, 1, 1, 0)
    assert (stats.versions["v1"].completed, len(stats.workers)) == (1, 1)
    assert stats.workers[0].sid == seat.sid
    assert stats.workers[0].leases == 1


async def refused(call: Awaitable[object]) -> None:
    """It raises one of ours."""
    try:
        await call
    except HeadraceError:
        return
    raise AssertionError("it must be refused")


async def renew(bench: Bench, sid: str, lease_ms: int, told: bytes = b"") -> RenewedLease:
    """From a thread, as a worker does. told: progress of its jobs."""
    renewer = bench.source.renewer("headrace-conformance", 10)
    try:
        (reply,) = await asyncio.to_thread(renewer.renew, [LeaseRenewal(bench.queue, sid, lease_ms, presence(), told)])
    finally:
        renewer.close()
    assert isinstance(reply, RenewedLease), reply
    return RenewedLease(reply.live, reply.leases, list(reply.cancelled), reply.cordoned)


async def until_claimed(bench: Bench, seat: Seat) -> Exchanged:
    """The first exchange that brings something, in small steps of time: a gap in it would spare all leases."""
    async with asyncio.timeout(60):
        while not (reply := await seat.exchange(1)).ids:
            await bench.pass_time(LEASE_MS / 4000)
    return reply
