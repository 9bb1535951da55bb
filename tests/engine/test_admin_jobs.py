"""Where a job stands, the lists by state, cancelling; and stats over many queues."""

from __future__ import annotations

import pytest

from headrace.admin.jobs import CancelOutcome
from headrace.admin.queue_admin import QueueAdmin, stats_many
from headrace.contract.protocol import State
from headrace.contract.stats import QueueStats
from headrace.errors import ConfigError, HeadraceError, JobNotFoundError, UsageError
from headrace.wire.link import Link
from support.seeding import Seeder

pytestmark = pytest.mark.everywhere


async def test_locate_a_ready_job(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.enqueue("a", task="mail", priority="high")
    view = await admin.jobs.locate("a")
    now = (await admin.stats()).now_ms
    assert (view.state, view.task, view.priority, view.attempts) == (State.READY, "mail", "high", 0)
    assert view.since_ms is not None
    assert 0 <= now - view.since_ms < 5000
    assert (view.correlation_id, view.meta, view.enqueued_ms) == ("c-1", {"tenant": "a"}, 1700000000000)


async def test_locate_a_scheduled_job(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.enqueue("a", delay_ms=60_000)
    view = await admin.jobs.locate("a")
    now = (await admin.stats()).now_ms
    assert view.state is State.SCHEDULED
    assert view.due_ms is not None
    assert 55_000 < view.due_ms - now <= 60_000


async def test_locate_a_leased_job_names_its_holder(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.enqueue("a")
    await seeder.exchange(1)
    view = await admin.jobs.locate("a")
    assert (view.state, view.holder_sid, view.holder, view.cancel_requested) == (State.LEASED, "s1", "pod-1", False)


async def test_locate_a_dead_job_says_why(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.bury("a", reason="OSError")
    view = await admin.jobs.locate("a")
    assert (view.state, view.reason, view.error, view.attempts) == (State.DEAD, "OSError", "OSError: boom", 3)


async def test_locate_a_job_of_a_reaped_session(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.enqueue("a")
    await seeder.exchange(1)
    assert await admin.control.reap_session("s1") == 1
    view = await admin.jobs.locate("a")
    assert (view.state, view.crashes) == (State.READY, 1)


async def test_a_kept_result_makes_a_job_done(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.enqueue("a")
    await seeder.exchange(1)
    await seeder.exchange(0, ["result", "a", seeder.claim, "42", 60000])
    assert (await admin.jobs.locate("a")).state is State.DONE
    assert await admin.jobs.result("a") == b"42"


async def test_an_unknown_job_is_not_found(admin: QueueAdmin) -> None:
    with pytest.raises(JobNotFoundError, match="'nope' waits, runs or is dead in queue 'q'"):
        await admin.jobs.locate("nope")


async def test_the_payload_is_shown_only_when_asked_for(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.enqueue("a", payload=b"secret")
    assert (await admin.jobs.locate("a")).payload is None
    shown = await admin.jobs.locate("a", with_payload=True)
    assert (shown.payload, shown.codec) == (b"secret", "msgpack")
    assert "secret" not in repr(shown)


@pytest.mark.parametrize(
    ("delay_ms", "claimed", "outcome", "state"),
    [
        (0, 0, CancelOutcome.CANCELLED, None),
        (60_000, 0, CancelOutcome.CANCELLED, None),
        (0, 1, CancelOutcome.CANCELLING, State.LEASED),
    ],
)
async def test_cancel(
    seeder: Seeder, admin: QueueAdmin, delay_ms: int, claimed: int, outcome: CancelOutcome, state: State | None
) -> None:
    await seeder.enqueue("a", delay_ms=delay_ms)
    if claimed:
        await seeder.exchange(1)
    assert await admin.jobs.cancel("a") is outcome
    if state is None:
        with pytest.raises(JobNotFoundError):
            await admin.jobs.locate("a")
    else:
        view = await admin.jobs.locate("a")
        assert (view.state, view.cancel_requested) == (state, True)


async def test_dead_and_unknown_jobs_can_t_be_cancelled(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.bury("a")
    assert await admin.jobs.cancel("a") is CancelOutcome.DEAD
    assert await admin.jobs.cancel("nope") is CancelOutcome.UNKNOWN


async def _listed(admin: QueueAdmin, state: State, limit: int) -> list[str]:
    ids: list[str] = []
    cursor = None
    for _ in range(100):
        page = await admin.jobs.page(state, cursor=cursor, limit=limit)
        assert all(view.state is state for view in page.jobs)
        ids += [view.id for view in page.jobs]
        cursor = page.cursor
        if cursor is None:
            return ids
    raise AssertionError("the list never ends")


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
async def test_lists_show_each_job_of_a_state_once(seeder: Seeder, admin: QueueAdmin, limit: int) -> None:
    other = Seeder(seeder.link, sid="s2")
    await other.join(worker="pod-2")
    await seeder.enqueue("l1", "l2", "l3")
    await seeder.exchange(2)
    await other.exchange(1)
    await seeder.enqueue("h1", "h2", priority="high")
    await seeder.enqueue("d1", "d2", "d3")
    await seeder.enqueue("s1", "s2", "s3", delay_ms=60_000)
    assert sorted(await _listed(admin, State.READY, limit)) == ["d1", "d2", "d3", "h1", "h2"]
    assert sorted(await _listed(admin, State.SCHEDULED, limit)) == ["s1", "s2", "s3"]
    assert sorted(await _listed(admin, State.LEASED, limit)) == ["l1", "l2", "l3"]
    assert await _listed(admin, State.PARKED, limit) == []
    assert await _listed(admin, State.DEAD, limit) == []


async def test_the_done_are_not_listed_and_wrong_cursors_are_refused(admin: QueueAdmin) -> None:
    with pytest.raises(UsageError, match="not kept"):
        await admin.jobs.page(State.DONE)
    with pytest.raises(UsageError, match="cursor 'x'"):
        await admin.jobs.page(State.READY, cursor="x")


async def test_stats_of_many_queues_in_one_read(link: Link, seeder: Seeder) -> None:
    await seeder.enqueue("a", "b")
    await link.request("SCRIPT", "FLUSH")
    await link.request("SET", "hr:{broken}:sess", "not a zset")
    many = await stats_many(link, ["q", "broken", "empty"])
    assert isinstance(many["q"], QueueStats)
    assert many["q"].ready == 2
    assert isinstance(many["broken"], HeadraceError)
    assert "WRONGTYPE" in str(many["broken"])
    assert isinstance(many["empty"], QueueStats)
    assert many["empty"].demand == 0


async def test_workers_say_what_they_hold(seeder: Seeder, admin: QueueAdmin) -> None:
    await seeder.enqueue("a")
    await seeder.exchange(1)
    await admin.control.cordon(["s1"], 5000)
    (worker,) = await admin.workers()
    assert (worker.worker, worker.leases, worker.cordoned) == ("pod-1", 1, True)


def test_a_wrong_queue_name_is_refused(link: Link) -> None:
    with pytest.raises(ConfigError, match="queue name 'No!'"):
        QueueAdmin(link, "No!")
