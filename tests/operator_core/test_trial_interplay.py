"""A trial meets whatever else people do meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from headrace_operator.core.conditions import ConditionReason, ConditionType
from headrace_operator.core.trial import Stage
from headrace_operator.seams.runtime import Exit
from support.fleet_rig import until
from support.trial_rig import Trial


@pytest.fixture
async def trial(redis_url: str) -> AsyncIterator[Trial]:
    made = Trial(redis_url)
    yield made
    await made.rig.link.close()


async def test_a_queue_that_is_deleted_and_made_again_has_no_trial(trial: Trial) -> None:
    async with trial.rig.running():
        await trial.begun()
        assert await trial.marked()
        trial.rig.objects.delete(trial.key)

        async def gone() -> bool:
            return trial.key not in trial.rig.controller.records

        await until("nothing is left of it", gone)
        trial.apply("two", replicas=2)
        await trial.has(two=2)
        await trial.unmarked()
        await trial.rig.says(
            trial.key, "it is trusted", lambda now: now.rollout is not None and not now.rollout.unproven
        )


async def test_versions_may_come_and_go_faster_than_they_are_tried(trial: Trial) -> None:
    async with trial.rig.running():
        await trial.begun()
        for pause in (0.0, 0.03, 0.06):
            for app in ("one", "two", "one", "three", "two", "three"):
                trial.apply(app, replicas=3)
                await asyncio.sleep(pause)
        trial.apply("four", replicas=3)
        await trial.has(one=3, four=1)
        await trial.work("four", 5)
        await trial.has(four=3)
        await trial.unmarked()


async def test_a_fleet_that_is_pinned_to_zero_takes_its_canary_along(trial: Trial) -> None:
    async with trial.rig.running():
        await trial.begun()
        trial.apply("two", replicas=0)
        await trial.has(one=0, two=0)
        trial.apply("two", replicas=2)
        await trial.has(one=2, two=1)


async def test_a_pause_keeps_no_bad_version_from_being_rolled_back(trial: Trial) -> None:
    async with trial.rig.running():
        await trial.begun()
        new = await trial.hash_of("two")
        await trial.queue.join("s", version=new)
        trial.apply("two", replicas=3, paused=True)
        await trial.rig.says(
            trial.key, "it waits", lambda now: bool(now.rollout and now.rollout.reason == "QueuesPaused")
        )
        [canary] = [one.id for one in await trial.rig.runtime.workers(trial.key) if one.version == new]
        trial.rig.runtime.fail(trial.key, new, "exit code 2", Exit("w/1", "exit code 2", final=True))
        trial.rig.runtime.lose(trial.key, canary)
        assert (await trial.rolled_back()).reason == "Crashing"
        await trial.has(one=3)


async def test_a_queue_that_another_took_gets_no_mark_of_ours_and_nobody_goes(trial: Trial) -> None:
    async with trial.rig.running():
        await trial.begun()
        await trial.rig.link.request("HSET", "hr:{q}:meta", "owner", "x/y/z", "owner_until", 9_999_999_999_999)
        await trial.rig.reason(trial.key, ConditionType.READY, ConditionReason.QUEUE_OWNED_ELSEWHERE)
        await trial.rig.link.request("HDEL", "hr:{q}:meta", "trial", "trial_until")
        trial.apply("three", replicas=3)
        await trial.rig.says(
            trial.key, "the next is tried", lambda now: bool(now.rollout and "three" in str(now.versions))
        )
        assert await trial.marked() == ()
        assert (await trial.counts())["one"] == 3
        assert (await trial.counts())["three"] == 0
        await trial.rig.link.request("HDEL", "hr:{q}:meta", "owner", "owner_until")
        await trial.has(one=3, three=1)
        assert (await trial.rollout()).phase == Stage.CANARY
