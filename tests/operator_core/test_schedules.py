"""Schedules in the operator's loop, with objects in memory and a real Redis."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
import yaml

from headrace.contract.envelope import decode
from headrace_operator.api.names import API_VERSION, KIND, RUN_NOW_ANNOTATION
from headrace_operator.core.schedule_summary import condition
from headrace_operator.objects.file import FileSchedules
from headrace_operator.reconcile.addresses import SpecAddresses
from headrace_operator.schedules.controller import ScheduleController
from support.bad_queues import REMOVE, patched
from support.bad_schedules import MISTAKES, SCHEMAS, Mistake, good_schedule
from support.fleet_rig import MemorySecrets, until
from support.queue_driver import QueueDriver
from support.schedule_rig import NIGHTLY, ScheduleRig
from support.seeding import Seeder


@pytest.fixture
async def rig(redis_url: str) -> ScheduleRig:
    return await ScheduleRig.served(redis_url)


async def test_a_good_one_fires_with_its_arguments_and_says_so(rig: ScheduleRig) -> None:
    rig.apply()
    async with rig.running():
        await rig.has_jobs(2)
        seeder = Seeder(rig.link)
        await seeder.join()
        first, *_ = await seeder.exchange(1)
        uid, _, tick = first.partition(":")
        assert uid == rig.uid()
        assert int(tick) % 1000 == 0
        stored = decode(await seeder.raw("HGET", "jobs", first))
        assert stored.task == "report"
        assert stored.envelope.meta is not None
        assert stored.envelope.meta["headrace.schedule"] == "default/nightly"
        assert b"monday" in stored.envelope.payload
        await rig.is_reason("Scheduled")
    status = rig.status()
    assert status.description == "Every second, Europe/Berlin time"
    assert status.next_schedule_time is not None
    assert status.observed_generation == 1
    assert rig.told() == [], "it is as it should be"


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: case.name)
async def test_a_mistake_is_told_and_nothing_fires(rig: ScheduleRig, case: Mistake) -> None:
    rig.schedules.apply(case.document())
    async with rig.running():
        await rig.is_reason(case.reason)
        ready = condition(rig.status())
        assert ready is not None
        assert ready.status == "False"
        assert case.says in ready.message
        assert "\n" not in ready.message
        [event] = rig.schedules.events
        assert (event.kind, event.reason) == ("Warning", case.reason)
        assert event.message == ready.message
        assert await rig.jobs() == 0
        await asyncio.sleep(1.1)  # a tick passes
        assert await rig.jobs() == 0
        assert len(rig.schedules.events) == 1
        rig.apply()
        await rig.is_reason("Scheduled")
        await rig.has_jobs(1)
        assert rig.told() == [case.reason, "Scheduled"]


async def test_ticks_that_pass_meanwhile_are_missed(rig: ScheduleRig) -> None:
    rig.apply(spec__task="rebort", spec__startingDeadlineSeconds=1)
    async with rig.running():
        await rig.is_reason("UnknownTask")

        async def missed() -> bool:
            return (await rig.admin().schedules.look(rig.uid())).missed >= 2

        await until("two ticks are missed", missed)
        rig.apply(spec__startingDeadlineSeconds=1)
        await rig.has_jobs(1)
        await rig.is_reason("Scheduled")
        assert rig.status().missed >= 2


async def test_a_schedule_of_a_file_owes_the_ticks_since_it_was_put_in(rig: ScheduleRig, tmp_path: Path) -> None:
    """Its file gives it a birth, as the API server does: what passed before its queue was known is counted."""
    path = tmp_path / "queue.yaml"
    other = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "other"}}
    spec = {"redis": {"url": rig.url}, "queues": [{"name": "q"}], "worker": {"app": "app"}}
    schedule = patched(good_schedule(), {"spec.startingDeadlineSeconds": 1})
    path.write_text(yaml.safe_dump_all([other | {"spec": spec}, schedule]))
    for part in ("status", "annotations"):
        (tmp_path / part).mkdir()
    FileSchedules(path, tmp_path)  # a first process
    [born] = (tmp_path / "uids").iterdir()
    os.utime(born, (time.time() - 60, time.time() - 60))

    schedules = FileSchedules(path, tmp_path)
    controller = ScheduleController(
        schedules, rig.objects, SpecAddresses(MemorySecrets()), rig.settings, fence=lambda: None
    )
    loop = asyncio.create_task(controller.run())
    try:
        await rig.has_jobs(1)
        assert (await rig.admin().schedules.look(born.read_text().strip())).missed in range(57, 63)
    finally:
        loop.cancel()
        await asyncio.wait([loop])
        await rig.link.close()


async def test_its_jobs_are_enqueued_as_it_says_and_under_the_limit_of_their_task(rig: ScheduleRig) -> None:
    await rig.publish(schemas={"report": {**SCHEMAS["report"], "x-headrace-limit-key": "task:report"}})
    rig.apply(spec__priority="high", spec__maxRetries=0, spec__timeoutSeconds=90)
    rig.schedules.annotate(NIGHTLY, RUN_NOW_ANNOTATION, "today-1")
    async with rig.running():

        async def both() -> bool:
            run = rig.status().run_now
            return run is not None and run.phase == "Enqueued" and await rig.jobs() >= 2

        await until("a tick and a run out of turn", both)
    seeder = Seeder(rig.link)
    jobs = await seeder.raw("HGETALL", "jobs")
    assert f"{rig.uid()}:now:today-1".encode() in jobs[::2]
    for job_id, value in zip(jobs[::2], jobs[1::2], strict=True):
        envelope = decode(value).envelope
        assert (envelope.max_retries, envelope.timeout) == (0, 90)
        assert await seeder.raw("HGET", "prio", job_id.decode()) == b"high"
        mark = msgspec.msgpack.decode(await seeder.raw("HGET", "marks", job_id.decode()))
        assert mark[:2] == ["task:report", "report"]
    await rig.link.close()


async def test_left_out_the_task_says_how_its_jobs_run(rig: ScheduleRig) -> None:
    rig.apply()
    async with rig.running():
        await rig.has_jobs(1)
        seeder = Seeder(rig.link)
        for value in (await seeder.raw("HGETALL", "jobs"))[1::2]:
            envelope = decode(value).envelope
            assert (envelope.max_retries, envelope.timeout) == (None, None)
        assert await seeder.raw("EXISTS", "prio") == await seeder.raw("EXISTS", "marks") == 0


async def test_beside_a_worker_too_old_for_the_limit_its_ticks_are_owed(rig: ScheduleRig) -> None:
    await rig.publish(schemas={"report": {**SCHEMAS["report"], "x-headrace-limit-key": "task:report"}})
    old = QueueDriver(rig.link)
    await old.join("old", protocol=1)
    rig.apply(spec__catchUp="All")
    async with rig.running():
        await rig.is_reason("ProtocolMismatch")
        ready = condition(rig.status())
        assert ready is not None
        assert "upgrade the workers first" in ready.message
        assert await rig.jobs() == 0
        await old.leave("old")
        await rig.has_jobs(1)
        await rig.is_reason("Scheduled")
        assert (await rig.admin().schedules.look(rig.uid())).missed == 0


async def test_a_task_that_comes_later_mends_it_by_itself(rig: ScheduleRig) -> None:
    rig.apply(spec__task="new", spec__args=[], spec__kwargs={})
    async with rig.running():
        await rig.is_reason("UnknownTask")
        await rig.publish(schemas={"new": {"type": "object", "properties": {}}})
        await rig.is_reason("Scheduled")
        await rig.has_jobs(1)


async def test_before_the_first_worker_ever_it_fires_unchecked(redis_url: str) -> None:
    rig = ScheduleRig(redis_url)
    rig.serve()
    rig.apply()
    async with rig.running():
        await rig.has_jobs(1)
        await rig.is_reason("Scheduled")
        ready = condition(rig.status())
        assert ready is not None
        assert "not checked yet" in ready.message


@pytest.mark.parametrize(
    "schema", ["5", "[]", '{"type": "object", "properties": 3}', '{"$ref": "#"}', '{"type": "object", "$ref": "#"}']
)
async def test_a_schema_without_sense_is_no_obstacle(rig: ScheduleRig, schema: str) -> None:
    await Seeder(rig.link).raw("HSET", "schemas", "report", schema)
    rig.apply(spec__args=[])
    async with rig.running():
        await rig.has_jobs(1)


async def test_what_is_no_schema_at_all_is_told(rig: ScheduleRig) -> None:
    await Seeder(rig.link).raw("HSET", "schemas", "report", "{")
    rig.apply()
    async with rig.running():
        await rig.is_reason("RedisUnavailable")
        await rig.publish()
        await rig.has_jobs(1)


async def test_its_first_queue_is_the_default_one(rig: ScheduleRig) -> None:
    rig.apply(spec__queue=REMOVE)
    async with rig.running():
        await rig.has_jobs(1)


async def test_suspended_it_neither_fires_nor_misses(rig: ScheduleRig) -> None:
    rig.apply(spec__suspend=True)
    async with rig.running():
        await rig.is_reason("Suspended")
        await asyncio.sleep(2.1)
        assert await rig.jobs() == 0
        assert rig.status().next_schedule_time is None
        rig.apply()
        await rig.has_jobs(1)
        record = await rig.admin().schedules.look(rig.uid())
        assert record.missed == 0
        assert rig.told() == ["Suspended", "Resumed"]


async def test_two_operators_make_one_job_of_each_tick(rig: ScheduleRig) -> None:
    rig.apply()
    async with rig.running(operators=3):
        await rig.has_jobs(4)
        record = await rig.admin().schedules.look(rig.uid())
    ticks = sorted(run.tick_ms for run in record.recent)
    assert len(set(ticks)) == len(ticks) == record.enqueued
    assert [later - earlier for earlier, later in pairwise(ticks)] == [1000] * (len(ticks) - 1)


async def test_a_restart_makes_no_second_job_and_no_hole(rig: ScheduleRig) -> None:
    rig.apply()
    for _ in range(3):
        async with rig.running():
            await rig.has_jobs(await rig.jobs() + 1)
    record = await rig.admin().schedules.look(rig.uid())
    ticks = sorted(run.tick_ms for run in record.recent)
    assert [later - earlier for earlier, later in pairwise(ticks)] == [1000] * (len(ticks) - 1)
    assert record.enqueued == await rig.jobs()
    await rig.link.close()


async def test_a_status_is_not_written_with_each_tick(rig: ScheduleRig) -> None:
    rig.apply()
    async with rig.running():
        await rig.has_jobs(3)
    assert len(rig.schedules.writes) <= 2


async def test_one_that_does_not_lead_fires_nothing(rig: ScheduleRig) -> None:
    rig.leading = False
    rig.apply()
    async with rig.running():
        await asyncio.sleep(1.2)
        assert await rig.jobs() == 0
        assert not rig.schedules.writes
        rig.leading = True
        await rig.has_jobs(1)


async def test_deleted_its_record_goes_and_its_jobs_stay(rig: ScheduleRig) -> None:
    rig.apply()
    async with rig.running():
        await rig.has_jobs(1)
        uid = rig.uid()
        rig.schedules.delete(NIGHTLY)

        async def forgotten() -> bool:
            return not (await rig.admin().schedules.look(uid)).known

        await until("its record is gone", forgotten)
        jobs = await rig.jobs()
        assert jobs >= 1
        await asyncio.sleep(1.1)
        assert await rig.jobs() == jobs


@pytest.mark.parametrize(
    ("patch", "reason"),
    [
        ({}, "Scheduled"),
        ({"spec__suspend": True}, "Suspended"),
        ({"spec__task": "rebort"}, "UnknownTask"),
        ({"spec__cron": "61 * * * *"}, "InvalidCron"),
        ({"spec__suspend": "often"}, "InvalidSpec"),
        ({"spec__workerQueue": "nobody"}, "WorkerQueueNotFound"),
    ],
)
async def test_while_it_lives_its_record_is_kept_whatever_is_wrong(
    rig: ScheduleRig, patch: dict[str, object], reason: str
) -> None:
    rig.apply()
    async with rig.running():
        await rig.has_jobs(1)
        record = f"schedule:{rig.uid()}"
        rig.apply(**patch)
        if reason == "InvalidSpec":
            await until("it is told", told_of(rig, reason))
        else:
            await rig.is_reason(reason)
        await Seeder(rig.link).raw("PEXPIRE", record, 60_000)

        async def kept() -> bool:
            left: int = await Seeder(rig.link).raw("PTTL", record)
            return left > 29 * 24 * 3_600_000

        await until("its record is kept", kept)


def told_of(rig: ScheduleRig, reason: str) -> Callable[[], Awaitable[bool]]:
    """Whether an event has told that reason."""

    async def told() -> bool:
        return reason in rig.told()

    return told


async def test_what_can_not_be_understood_is_told(rig: ScheduleRig) -> None:
    rig.apply(spec__suspend="often")
    async with rig.running():

        async def told() -> bool:
            return rig.told() == ["InvalidSpec"]

        await until("it is told", told)
        rig.apply()
        await rig.has_jobs(1)
