"""The gate, seen through the whole loop: what passes, what is rolled back, and that it costs no job an attempt."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from headrace.contract.envelope import decode
from headrace_operator.api.names import QueueKey
from headrace_operator.core.conditions import ConditionReason, ConditionType
from headrace_operator.core.trial import Stage
from headrace_operator.seams.runtime import Exit
from support.trial_rig import NO_PATIENCE, Trial


@pytest.fixture
async def trial(redis_url: str) -> AsyncIterator[Trial]:
    made = Trial(redis_url)
    yield made
    await made.rig.link.close()


async def test_the_first_version_has_no_trial(trial: Trial) -> None:
    trial.apply("one", replicas=3)
    async with trial.rig.running():
        await trial.has(one=3)
        await trial.rig.reason(trial.key, ConditionType.PROGRESSING, ConditionReason.UP_TO_DATE)
        assert (await trial.rollout()).phase == Stage.COMPLETE
        assert await trial.marked() == ()
    assert "RolloutStarted" not in trial.told


async def test_a_canary_that_does_its_jobs_replaces_the_old_version(trial: Trial) -> None:
    async with trial.rig.running():
        await trial.begun()
        await trial.work("two", 4)
        await trial.has(one=3, two=1)
        new = await trial.hash_of("two")
        assert await trial.marked() == (new,)
        await trial.work("two", 1)
        await trial.has(two=3)
        await trial.rig.reason(trial.key, ConditionType.PROGRESSING, ConditionReason.UP_TO_DATE)
        rollout = await trial.rollout()
        assert (rollout.phase, rollout.stable, rollout.jobs, rollout.failed) == (Stage.COMPLETE, new, 5, 0)
        await trial.unmarked()
    assert [one for one in trial.told if "Rol" in one or "Canary" in one] == [
        "RolloutStarted",
        "CanaryPassed",
        "RolloutFinished",
    ]


async def test_a_version_that_fails_its_jobs_is_rolled_back_and_no_job_pays_for_it(trial: Trial) -> None:
    async with trial.rig.running():
        await trial.begun()
        new = await trial.hash_of("two")
        await trial.work("two", 1, "bury")
        rollout = await trial.rolled_back()
        assert (rollout.failed_version, rollout.candidate, rollout.reason) == (new, None, "JobsFailed")
        said = trial.rig.condition(trial.key, ConditionType.PROGRESSING)
        assert said is not None
        assert "1 of 1 run failed (ValueError 1), more than 10 % of 5" in said.message
        await trial.has(one=3)
        assert await trial.marked() == (new,), "its worker may still fail something"
        await trial.queue.leave(f"s-{new}")
        await trial.unmarked()
        stats = await trial.rig.admin().stats()
        assert (stats.dead, stats.scheduled + stats.ready + stats.due) == (0, 1)
        values = (await trial.queue.look()).hashes["jobs"]
        assert [decode(value).attempts for value in values.values()] == [0]
        trial.apply("two", replicas=5)
        await trial.has(one=5)
        await trial.rig.says(trial.key, "all ready", lambda status: status.ready_replicas == 5)
        assert (await trial.rolled_back()).failed_version == new
    assert trial.told.count("RolledBack") == 1
    scaled = [call for call in trial.rig.runtime.calls if call[0] == "scale" and call[1] != new]
    assert [int(call[2]) for call in scaled] == [3, 5], "the old version never had fewer"


async def test_after_a_rollback_another_version_is_tried_and_the_old_one_ends_it(trial: Trial) -> None:
    async with trial.rig.running():
        await trial.begun()
        await trial.work("two", 1, "bury")
        await trial.rolled_back()
        trial.apply("three", replicas=3)
        await trial.has(one=3, three=1)
        rollout = await trial.rollout()
        assert (rollout.candidate, rollout.failed_version) == (await trial.hash_of("three"), None)
        trial.apply("one", replicas=3)
        await trial.has(one=3)
        await trial.rig.reason(trial.key, ConditionType.PROGRESSING, ConditionReason.UP_TO_DATE)
        assert (await trial.rollout()).phase == Stage.COMPLETE
        trial.apply("two", replicas=3)
        await trial.has(one=3, two=1)


async def test_what_the_old_version_fails_as_often_is_not_held_against_the_new_one(trial: Trial) -> None:
    async with trial.rig.running():
        trial.apply("one", replicas=3)
        await trial.has(one=3)
        await trial.work("one", 5)
        await trial.work("one", 5, "bury")
        trial.apply("two", replicas=3)
        await trial.has(one=3, two=1)
        await trial.work("two", 2, "bury")
        await trial.work("two", 3)
        await trial.has(two=3)


async def starting(trial: Trial) -> str:
    """The canary's worker is yet to get ready, beside two old ones; its version."""
    trial.rig.runtime.instant = False
    trial.apply("one", replicas=2)
    await trial.has(one=2)
    trial.rig.runtime.start(trial.key)
    await trial.rig.reason(trial.key, ConditionType.PROGRESSING, ConditionReason.UP_TO_DATE)
    trial.apply("two", replicas=2)
    await trial.has(one=2, two=1)
    return await trial.hash_of("two")


async def test_a_version_that_is_configured_wrongly_is_rolled_back_at_once(trial: Trial) -> None:
    async with trial.rig.running():
        new = await starting(trial)
        trial.rig.runtime.fail(trial.key, new, "exit code 2", Exit("w-1/1", "exit code 2", final=True))
        rollout = await trial.rolled_back()
        assert "exit code 2" in rollout.message
        assert (await trial.counts())["one"] == 2
        trial.rig.runtime.end(trial.key)
        await trial.has(one=2)


async def test_one_exit_condemns_no_version(trial: Trial) -> None:
    async with trial.rig.running():
        new = await starting(trial)
        trial.rig.runtime.fail(trial.key, new, "exit code 137", Exit("w-1/1", "exit code 137 (OOMKilled)"))
        await trial.rig.says(trial.key, "it is noted", lambda now: bool(now.rollout and now.rollout.exits))
        trial.rig.runtime.fail(trial.key, new, None)
        trial.rig.runtime.start(trial.key)
        await trial.work("two", 5)
        await trial.has(one=1, two=1)
        assert "RolledBack" not in trial.told


async def test_the_second_exit_does_also_when_another_operator_leads(trial: Trial) -> None:
    async with trial.rig.running():
        new = await starting(trial)
        trial.rig.runtime.fail(trial.key, new, "exit code 137", Exit("w-1/1", "exit code 137"))
        await trial.rig.says(trial.key, "it is noted", lambda now: bool(now.rollout and now.rollout.exits))
    async with trial.rig.running():
        trial.rig.runtime.fail(trial.key, new, "exit code 1", Exit("w-2/1", "exit code 1"))
        trial.rig.controller.wake()
        assert (await trial.rolled_back()).message == "its workers crash: exit code 1"
        assert (await trial.counts())["one"] == 2


async def test_a_version_that_never_gets_ready_is_rolled_back_at_the_deadline(trial: Trial) -> None:
    trial.rig.runtime.instant = False
    trial.apply("one", rollout=NO_PATIENCE, replicas=2)
    async with trial.rig.running():
        await trial.has(one=2)
        trial.rig.runtime.start(trial.key)
        trial.apply("two", rollout=NO_PATIENCE, replicas=2)
        await trial.has(one=2, two=1)
        trial.rig.runtime.fail(trial.key, await trial.hash_of("two"), "ImagePullBackOff")
        await trial.rig.reason(trial.key, ConditionType.PROGRESSING, ConditionReason.VERSION_FAILING)
        assert (await trial.rolled_back()).reason == "NeverReady"


async def test_workers_that_die_under_their_jobs_are_evidence_and_no_jobs_crash(trial: Trial) -> None:
    async with trial.rig.running():
        await trial.begun()
        await trial.work("two", 1, "crash", sid="a")
        await trial.work("two", 1, "crash", sid="b")
        assert (await trial.rolled_back()).reason == "WorkersDied"
        assert (await trial.queue.look()).hashes["crash"] == {}


async def test_without_traffic_the_rollout_goes_on(trial: Trial) -> None:
    async with trial.rig.running():
        trial.apply("one", rollout=NO_PATIENCE, replicas=2)
        await trial.has(one=2)
        trial.apply("two", rollout={**NO_PATIENCE, "progressDeadlineSeconds": 60}, replicas=2)
        await trial.has(one=2, two=1)
        await trial.queue.join("s", version=await trial.hash_of("two"))
        await trial.has(two=2)
        await trial.rig.reason(trial.key, ConditionType.PROGRESSING, ConditionReason.UP_TO_DATE)
        assert (await trial.rollout()).reason == "NoTraffic"


async def test_without_traffic_nothing_passes_that_is_not_in_redis(trial: Trial) -> None:
    async with trial.rig.running():
        trial.apply("one", rollout=NO_PATIENCE, replicas=2)
        await trial.has(one=2)
        patient = {"gate": {"jobs": 5, "timeoutSeconds": 1}, "progressDeadlineSeconds": 3}
        trial.apply("two", rollout=patient, replicas=2)
        await trial.rig.says(
            trial.key, "it waits", lambda now: bool(now.rollout and now.rollout.reason == "RedisNotReached")
        )
        rollout = await trial.rolled_back()
        assert (rollout.reason, rollout.message) == ("NeverInRedis", "none of its workers reached Redis within 3 s")
        await trial.has(one=2)
    assert "CanaryPassed" not in trial.told


async def test_a_version_that_turns_bad_after_the_gate_is_rolled_back_too(trial: Trial) -> None:
    trial.rig.runtime.instant = False
    trial.apply("one", replicas=3)
    async with trial.rig.running():
        await trial.has(one=3)
        trial.rig.runtime.start(trial.key)
        trial.apply("two", replicas=3)
        await trial.has(one=3, two=1)
        trial.rig.runtime.start(trial.key)
        await trial.work("two", 5)
        await trial.has(one=2, two=1)
        trial.rig.runtime.end(trial.key)
        await trial.has(one=2, two=2)
        await trial.work("two", 1, "bury")
        await trial.rolled_back()
        trial.rig.runtime.end(trial.key)
        await trial.has(one=3)
        assert (await trial.rig.admin().stats()).dead == 0


async def test_at_zero_the_next_job_wakes_one_canary_and_the_old_version(trial: Trial) -> None:
    trial.apply("one")
    async with trial.rig.running():
        await trial.has(one=0)
        trial.apply("two")
        await trial.has(one=0, two=0)
        await trial.rig.at_rest()
        await trial.queue.enqueue([f"j{n}" for n in range(30)])
        await trial.has(one=3, two=1)


async def test_another_leader_goes_on_where_the_last_one_ended(trial: Trial) -> None:
    async with trial.rig.running():
        await trial.begun()
        await trial.work("two", 3)
        began = (await trial.rollout()).started_time
    await trial.work("two", 1)
    async with trial.rig.running():
        await trial.has(one=3, two=1)
        await trial.work("two", 1)
        await trial.has(two=3)
        await trial.rig.reason(trial.key, ConditionType.PROGRESSING, ConditionReason.UP_TO_DATE)
        rollout = await trial.rollout()
        assert (rollout.jobs, rollout.started_time) == (5, began)
    assert trial.told.count("RolloutStarted") == 1


async def test_another_leader_does_not_forget_what_failed(trial: Trial) -> None:
    async with trial.rig.running():
        await trial.begun()
        await trial.work("two", 1, "bury")
        await trial.rolled_back()
        await trial.has(one=3)
    calls = len(trial.rig.runtime.calls)
    async with trial.rig.running():
        trial.rig.controller.wake()
        await trial.rig.says(trial.key, "still rolled back", lambda status: bool(status.rollout))
        trial.apply("two", replicas=4)
        await trial.has(one=4)
    assert [call[0] for call in trial.rig.runtime.calls[calls:]] == ["scale"]


async def test_no_canary_starts_before_its_failures_are_charged_to_nobody(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks: dict[str, tuple[str, ...]] = {}
    scale = trial.rig.runtime.scale

    async def watched(key: QueueKey, version: str, replicas: int) -> None:
        marks.setdefault(version, await trial.marked())
        await scale(key, version, replicas)

    monkeypatch.setattr(trial.rig.runtime, "scale", watched)
    async with trial.rig.running():
        await trial.begun()
        new = await trial.hash_of("two")
    assert marks[new] == (new,)


async def test_while_redis_is_away_nothing_passes_nothing_fails_and_no_canary_starts(trial: Trial) -> None:
    async with trial.rig.running():
        trial.apply("one", rollout=NO_PATIENCE, replicas=2)
        await trial.has(one=2)
        trial.apply("two", rollout=NO_PATIENCE, replicas=2, url="redis://127.0.0.1:1")
        await trial.rig.reason(trial.key, ConditionType.REDIS_AVAILABLE, "Unreachable")
        await trial.has(one=2, two=0)
        rollout = await trial.rollout()
        assert (rollout.phase, rollout.reason) == (Stage.CANARY, "StatsUnavailable")
