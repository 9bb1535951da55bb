"""The run-now annotation in the operator's loop: one run per request, out of turn."""

from __future__ import annotations

import asyncio

import pytest

from headrace_operator.api.names import RUN_NOW_ANNOTATION, RUN_NOW_ID_ANNOTATION
from support.fleet_rig import until
from support.schedule_rig import NEVER_SOON, NIGHTLY, ScheduleRig


@pytest.fixture
async def rig(redis_url: str) -> ScheduleRig:
    return await ScheduleRig.served(redis_url)


async def ask(rig: ScheduleRig, value: str) -> None:
    rig.schedules.annotate(NIGHTLY, RUN_NOW_ANNOTATION, value)

    async def over() -> bool:
        annotations = rig.schedules.get(NIGHTLY).metadata.annotations
        return RUN_NOW_ANNOTATION not in annotations and RUN_NOW_ID_ANNOTATION not in annotations

    await until("it is over", over)


async def test_it_runs_once_and_the_annotation_goes(rig: ScheduleRig) -> None:
    rig.apply(spec__cron=NEVER_SOON)
    async with rig.running():
        await ask(rig, "today-1")
        assert await rig.jobs() == 1
        run = rig.status().run_now
        assert run is not None
        assert (run.request, run.phase, run.job_id) == ("today-1", "Enqueued", f"{rig.uid()}:now:today-1")
        assert rig.status().last_job_id == run.job_id
        assert rig.status().last_schedule_time is None
        assert "RunNowEnqueued" in rig.told()


async def test_kept_in_git_it_runs_once(rig: ScheduleRig) -> None:
    rig.apply(spec__cron=NEVER_SOON)
    async with rig.running():
        for _ in range(4):
            await ask(rig, "today-1")
        assert await rig.jobs() == 1
        assert rig.told().count("RunNowRepeated") == 1
        await ask(rig, "today-2")
        assert await rig.jobs() == 2
        await ask(rig, "today-1")
        assert await rig.jobs() == 2


async def test_a_request_written_over_another_is_run(rig: ScheduleRig) -> None:
    rig.apply(spec__cron=NEVER_SOON)
    rig.schedules.annotate(NIGHTLY, RUN_NOW_ANNOTATION, "second")
    rig.schedules.annotate(NIGHTLY, RUN_NOW_ID_ANNOTATION, "first")
    async with rig.running():
        await ask(rig, "second")
        assert await rig.jobs() == 1
        run = rig.status().run_now
        assert run is not None
        assert (run.request, run.phase) == ("second", "Enqueued")


async def test_it_runs_while_suspended(rig: ScheduleRig) -> None:
    rig.apply(spec__suspend=True)
    async with rig.running():
        await ask(rig, "a")
        assert await rig.jobs() == 1


@pytest.mark.parametrize("value", ["two words", "x" * 101, "ünïcode"])
async def test_what_is_no_id_is_refused(rig: ScheduleRig, value: str) -> None:
    rig.apply(spec__cron=NEVER_SOON)
    async with rig.running():
        await ask(rig, value)
        run = rig.status().run_now
        assert run is not None
        assert run.phase == "Refused"
        assert "letters, digits" in run.message
        assert await rig.jobs() == 0


async def test_one_that_can_not_run_is_refused_with_the_reason(rig: ScheduleRig) -> None:
    rig.apply(spec__task="rebort")
    async with rig.running():
        await ask(rig, "a")
        run = rig.status().run_now
        assert run is not None
        assert run.phase == "Refused"
        assert "rebort" in run.message
        assert await rig.jobs() == 0


async def test_forbid_holds_for_it_too(rig: ScheduleRig) -> None:
    rig.apply(spec__cron=NEVER_SOON, spec__concurrencyPolicy="Forbid")
    async with rig.running():
        await ask(rig, "a")
        await ask(rig, "b")
        run = rig.status().run_now
        assert run is not None
        assert (run.request, run.phase) == ("b", "Skipped")
        assert await rig.jobs() == 1


@pytest.mark.parametrize(("value", "jobs", "phase"), [("a", 1, "Enqueued"), ("no id", 0, "Refused")])
async def test_an_operator_that_ends_anywhere_makes_no_second_job(
    rig: ScheduleRig, value: str, jobs: int, phase: str
) -> None:
    rig.apply(spec__cron=NEVER_SOON)
    rig.schedules.annotate(NIGHTLY, RUN_NOW_ANNOTATION, value)
    for pause in (0.0, 0.002, 0.005, 0.01, 0.02, 0.05):
        async with rig.running():
            await asyncio.sleep(pause)
    async with rig.running():

        async def over() -> bool:
            return RUN_NOW_ANNOTATION not in rig.schedules.get(NIGHTLY).metadata.annotations

        await until("it is over", over)
        assert await rig.jobs() == jobs
        run = rig.status().run_now
        assert run is not None
        assert run.phase == phase
