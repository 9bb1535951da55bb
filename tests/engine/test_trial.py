"""A version on trial charges no job: what it fails and what it dies on is given back, counted, and slowed down."""

from __future__ import annotations

import pytest

from headrace.admin.queue_admin import QueueAdmin
from headrace.contract.envelope import decode
from headrace.contract.protocol import CRASH_LIMIT, TRIAL_MS
from headrace.wire.link import Link
from support.queue_driver import LEASE_MS, Exchanged, QueueDriver

NEW, OLD = "new", "old"


def failed(kind: str, job_id: str, claim: str, delay_ms: int = 0, reason: str = "E") -> tuple[object, ...]:
    """What a worker says of a job that it failed for the first time."""
    if kind == "retry":
        return (kind, job_id, claim, 1, delay_ms, reason)
    return (kind, job_id, claim, "t", reason, "record", "print", "traceback", 1)


async def on_trial(queue: QueueDriver, *versions: str) -> None:
    await queue.run("trial", TRIAL_MS if versions else 0, *versions)


async def run(queue: QueueDriver, sid: str, version: str, kind: str, delay_ms: int = 0, reason: str = "E") -> Exchanged:
    """Claim one job and fail it."""
    got = await queue.exchange(sid, 1, version=version)
    await queue.exchange(sid, others=[failed(kind, got.ids[0], got.claim, delay_ms, reason)], version=version)
    return got


async def attempts(queue: QueueDriver, job_id: str) -> int:
    return decode((await queue.look()).hashes["jobs"][job_id]).attempts


@pytest.mark.parametrize("kind", ["retry", "bury"])
async def test_a_failure_is_given_back_uncharged(queue: QueueDriver, kind: str) -> None:
    await on_trial(queue, NEW)
    await queue.enqueue(["a"])
    await queue.join("s", version=NEW)
    await run(queue, "s", NEW, kind)
    seen = await queue.look()
    assert seen.places == {"a": {"scheduled"}}
    assert await attempts(queue, "a") == 0
    assert (seen.counter("released"), seen.counter("dead"), seen.hashes["tb"]) == (1, 0, {})
    counts = (await queue.stats()).versions[NEW]
    assert (counts.failed, counts.returned, counts.dead) == (1, 1, 0)


@pytest.mark.parametrize("kind", ["retry", "bury"])
async def test_other_versions_and_workers_without_one_are_charged(queue: QueueDriver, kind: str) -> None:
    await on_trial(queue, NEW)
    for version in (OLD, "", "ne", "new2"):
        await queue.enqueue([f"a{version}"])
        await queue.join(f"s{version}", version=version)
        await run(queue, f"s{version}", version, kind, delay_ms=60_000)
        assert await attempts(queue, f"a{version}") == 1


async def test_a_worker_is_told_that_it_is_on_trial(queue: QueueDriver) -> None:
    await queue.join("s", version=NEW)
    assert not (await queue.exchange("s", version=NEW)).on_trial
    await on_trial(queue, NEW)
    assert (await queue.exchange("s", version=NEW)).on_trial
    assert not (await queue.exchange("s", version=OLD)).on_trial


async def test_several_versions_may_be_on_trial(queue: QueueDriver) -> None:
    await on_trial(queue, "older", NEW)
    await queue.enqueue(["a"])
    await queue.join("s", version=NEW)
    await run(queue, "s", NEW, "bury")
    assert await queue.place("a") == "scheduled"
    assert (await queue.stats()).trial == ("older", NEW)


async def test_a_retry_keeps_its_own_delay_if_that_is_longer(queue: QueueDriver) -> None:
    await on_trial(queue, NEW)
    await queue.enqueue(["a"])
    await queue.join("s", version=NEW)
    await run(queue, "s", NEW, "retry", delay_ms=7_000)
    assert (await queue.look()).zsets["sched"] == {"a": queue.now_ms + 7_000}


async def test_a_retry_that_the_handler_asked_for_is_no_failure(queue: QueueDriver) -> None:
    await on_trial(queue, NEW)
    await queue.enqueue(["a"])
    await queue.join("s", version=NEW)
    for _ in range(3):
        got = await queue.exchange("s", 1, version=NEW)
        await queue.exchange("s", others=[("retry", "a", got.claim, 0, 50)], version=NEW)
        assert (await queue.look()).zsets["sched"] == {"a": queue.now_ms + 50}
        await queue.advance(50)
    assert NEW not in (await queue.stats()).versions


async def test_what_fails_again_waits_longer_and_is_no_new_evidence(queue: QueueDriver) -> None:
    await on_trial(queue, NEW)
    await queue.enqueue(["a"])
    await queue.join("s", version=NEW)
    for pause in (1_000, 2_000, 4_000, 8_000):
        await run(queue, "s", NEW, "bury")
        assert (await queue.look()).zsets["sched"] == {"a": queue.now_ms + pause}
        assert (await queue.exchange("s", 1, version=NEW)).ids == (), "no hot loop"
        await queue.advance(pause)
    counts = (await queue.stats()).versions[NEW]
    assert (counts.failed, counts.returned) == (1, 4)


@pytest.mark.parametrize("kind", ["retry", "bury"])
async def test_failures_are_counted_by_reason_once_a_job(queue: QueueDriver, kind: str) -> None:
    await on_trial(queue, NEW)
    await queue.join("s", version=NEW)
    for number, reason in enumerate(("ValueError", "KeyError", "ValueError")):
        await queue.enqueue([f"j{number}"])
        await run(queue, "s", NEW, kind, reason=reason)
    await queue.advance(1_000)
    await run(queue, "s", NEW, kind, reason="ValueError")
    assert (await queue.stats()).failures == {NEW: {"ValueError": 2, "KeyError": 1}}


async def test_only_what_versions_on_trial_fail_is_counted_by_reason(queue: QueueDriver) -> None:
    await on_trial(queue, NEW)
    await queue.enqueue(["a"])
    await queue.join("s", version=OLD)
    await run(queue, "s", OLD, "bury")
    assert (await queue.stats()).failures == {}


async def test_reasons_are_few_and_never_what_somebody_wrote(queue: QueueDriver) -> None:
    await on_trial(queue, NEW)
    await queue.join("s", version=NEW)
    written = ("no account of ada@example.org", "", "x" * 65, "a:b", "7up")
    for number, reason in enumerate((*written, *(f"Error{n}" for n in range(8)), "Error7", "Error0")):
        await queue.enqueue([f"j{number}"])
        await run(queue, "s", NEW, "bury", reason=reason)
    others = len(written) + 3 + 1
    assert (await queue.stats()).failures == {
        NEW: {"Error0": 2, "other": others} | {f"Error{n}": 1 for n in (1, 2, 3, 4)}
    }


async def test_a_worker_that_names_no_reason_counts_too(queue: QueueDriver) -> None:
    await on_trial(queue, NEW)
    await queue.enqueue(["a"])
    await queue.join("s", version=NEW)
    got = await queue.exchange("s", 1, version=NEW)
    await queue.exchange("s", others=[("retry", "a", got.claim, 1, 0)], version=NEW)
    assert (await queue.stats()).failures == {NEW: {"other": 1}}


async def test_reasons_are_forgotten_with_the_version_that_they_are_about(queue: QueueDriver) -> None:
    await on_trial(queue, NEW, "next")
    for version in (NEW, "next"):
        await queue.enqueue([f"j{version}"])
        await queue.join(f"s{version}", version=version)
        await run(queue, f"s{version}", version, "bury")
    await on_trial(queue, NEW, "next")
    assert set((await queue.stats()).failures) == {NEW, "next"}
    await on_trial(queue, "next")
    assert (await queue.stats()).failures == {"next": {"E": 1}}


async def test_the_old_version_charges_what_it_gets_back(queue: QueueDriver) -> None:
    await on_trial(queue, NEW)
    await queue.enqueue(["a"])
    await queue.join("s", version=NEW)
    await queue.join("t", version=OLD)
    await run(queue, "s", NEW, "bury")
    await queue.advance(1_000)
    await run(queue, "t", OLD, "bury")
    assert await queue.place("a") == "dead"


async def test_a_cancelled_job_is_not_given_back(queue: QueueDriver) -> None:
    await on_trial(queue, NEW)
    await queue.enqueue(["a"])
    await queue.join("s", version=NEW)
    got = await queue.exchange("s", 1, version=NEW)
    await queue.cancel("a")
    await queue.exchange("s", others=[failed("bury", "a", got.claim)], version=NEW)
    assert await queue.place("a") == "gone"


async def test_a_stale_failure_stays_stale(queue: QueueDriver) -> None:
    await on_trial(queue, NEW)
    await queue.enqueue(["a"])
    await queue.join("s", version=NEW)
    await queue.exchange("s", 1, version=NEW)
    answer = await queue.exchange("s", others=[failed("bury", "a", "9.9")], version=NEW)
    assert answer.stale == ("a",)
    assert NEW not in (await queue.stats()).versions


async def test_a_death_on_trial_is_no_crash_of_its_jobs(queue: QueueDriver) -> None:
    await on_trial(queue, NEW)
    await queue.enqueue(["a", "b"])
    for turn in range(CRASH_LIMIT + 1):
        await queue.join(f"s{turn}", version=NEW)
        assert set((await queue.exchange(f"s{turn}", 2, version=NEW)).ids) == {"a", "b"}
        await queue.run("reap_session", f"s{turn}")
    seen = await queue.look()
    assert seen.places == {"a": {"ready:default"}, "b": {"ready:default"}}
    assert seen.hashes["crash"] == {}
    assert (await queue.stats()).versions[NEW].crashed == CRASH_LIMIT + 1, "one per worker, not per job"


async def test_a_death_counts_for_the_version_also_without_trial(queue: QueueDriver) -> None:
    await queue.enqueue(["a"])
    await queue.join("s", version=OLD)
    await queue.exchange("s", 1, version=OLD)
    await queue.run("reap_session", "s")
    await queue.join("idle", version=OLD)
    await queue.run("reap_session", "idle")
    assert (await queue.look()).hashes["crash"] == {"a": b"1"}
    assert (await queue.stats()).versions[OLD].crashed == 1


async def test_who_died_on_trial_is_spared_though_the_trial_ends_before_its_jobs_are_moved(link: Link) -> None:
    queue = QueueDriver(link, constants={"CHUNK": 1})
    await queue.hold_clock()
    await on_trial(queue, NEW)
    await queue.enqueue(["a", "b", "c"])
    await queue.join("s", version=NEW)
    await queue.join("t", version=OLD)
    await queue.exchange("s", 3, version=NEW)
    await queue.advance(LEASE_MS // 2)
    await queue.renew("t", version=OLD)
    await queue.advance(LEASE_MS // 2)
    await queue.exchange("t", version=OLD)
    assert len((await queue.look()).own["s"]) == 2
    await on_trial(queue)
    for _ in range(3):
        await queue.exchange("t", version=OLD)
    seen = await queue.look()
    assert seen.places == {job_id: {"ready:default"} for job_id in "abc"}
    assert seen.hashes["crash"] == {}


async def test_a_trial_lapses_by_itself(queue: QueueDriver) -> None:
    await on_trial(queue, NEW)
    stats = await queue.stats()
    assert (stats.trial, stats.trial_left_ms) == ((NEW,), TRIAL_MS)
    await queue.advance(TRIAL_MS)
    assert (await queue.stats()).trial == ()
    await queue.enqueue(["a"])
    await queue.join("s", version=NEW)
    await run(queue, "s", NEW, "bury")
    assert await queue.place("a") == "dead"


async def test_the_end_of_a_trial_leaves_nothing_behind(queue: QueueDriver, link: Link) -> None:
    await on_trial(queue, NEW)
    await queue.enqueue(["a"])
    await queue.join("s", version=NEW)
    await run(queue, "s", NEW, "bury")
    for name in ("tried", "failures"):
        assert 0 < await link.request("PTTL", queue.key(name)) <= TRIAL_MS, "also if nobody ends it"
    await on_trial(queue)
    assert await link.request("EXISTS", queue.key("tried"), queue.key("failures")) == 0
    assert not {"trial", "trial_until"} & set((await queue.look()).hashes["meta"])


async def test_the_admin_puts_versions_on_trial_and_ends_it(link: Link) -> None:
    admin = QueueAdmin(link, "q")
    await admin.control.put_on_trial([NEW, OLD])
    stats = await admin.stats()
    assert stats.trial == (NEW, OLD)
    assert 0 < stats.trial_left_ms <= TRIAL_MS
    await admin.control.put_on_trial([])
    assert (await admin.stats()).trial == ()
