"""What running jobs say of their progress: kept with the run that holds the job, and for no longer."""

from __future__ import annotations

from headrace.brokers.capabilities import Feature
from headrace.contract.progress import Told, encode_told
from headrace.testing.checks.sessions import renew, until_claimed
from headrace.testing.conformance import KEEP_MS, LEASE_MS, Bench, Checks

CHECKS = Checks()


@CHECKS.add(Feature.PROGRESS)
async def progress_is_of_the_run_that_holds_the_job(bench: Bench) -> None:
    await bench.jobs("a", "b")
    seat, other = await bench.seat(), await bench.seat()
    ((_, claim),) = await seat.claim()
    broker, queue = bench.broker, bench.queue
    assert await broker.progress(queue, "a") is None
    await renew(bench, seat.sid, KEEP_MS, told(("a", claim, 0.25), ("b", claim, 0.5), ("gone", claim, 0.5)))
    said = await broker.progress(queue, "a")
    assert said is not None
    assert (said.fraction, said.message) == (0.25, "so far")
    assert [await broker.progress(queue, job_id) for job_id in ("b", "gone")] == [None, None]
    await renew(bench, seat.sid, KEEP_MS, told(("a", claim, 0.75)))
    await renew(bench, seat.sid, KEEP_MS)  # has nothing new to say
    said = await broker.progress(queue, "a")
    assert said is not None
    assert said.fraction == 0.75
    await renew(bench, other.sid, KEEP_MS, told(("a", claim, 0.1)))  # says so of a job that another has
    assert await broker.progress(queue, "a") == said
    await seat.exchange(0, ("release", "a", claim, "0", 0))
    assert await broker.progress(queue, "a") is None
    await seat.claim(2)  # again, under another claim
    assert await broker.progress(queue, "a") is None


@CHECKS.add(Feature.PROGRESS)
async def progress_ends_with_the_lease(bench: Bench) -> None:
    await bench.jobs("a")
    silent = await bench.seat(lease_ms=LEASE_MS)
    ((_, claim),) = await silent.claim()
    await renew(bench, silent.sid, LEASE_MS, told(("a", claim, 0.5)))
    await bench.pass_time(2 * LEASE_MS / 1000)
    assert await bench.broker.progress(bench.queue, "a") is None
    seat = await bench.seat()
    await until_claimed(bench, seat)
    assert await bench.broker.progress(bench.queue, "a") is None
    assert not (await renew(bench, silent.sid, LEASE_MS, told(("a", claim, 0.9)))).live
    assert await bench.broker.progress(bench.queue, "a") is None


def told(*said: tuple[str, str, float]) -> bytes:
    """What a renewal carries: job, claim, how far."""
    return encode_told([Told(job_id, claim, fraction, "so far", 0) for job_id, claim, fraction in said])
