"""Pausing by spec, by annotation and by command: who paused resumes."""

from __future__ import annotations

import pytest

from headrace_operator.api.names import PAUSED_ANNOTATION
from headrace_operator.core.conditions import ConditionReason, ConditionType
from support.fleet_rig import Rig, until


async def paused(rig: Rig, wanted: bool) -> None:
    async def is_so() -> bool:
        return (await rig.admin().stats()).paused is wanted

    await until(f"paused is {wanted}", is_so)


@pytest.mark.parametrize("how", ["spec", "annotation"])
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_pause_ends_with_what_asked_for_it(rig: Rig, how: str, restarted: bool) -> None:
    def ask(pause: bool) -> None:
        if how == "spec":
            rig.apply(paused=pause)
        else:
            rig.objects.annotate(key, PAUSED_ANNOTATION, "true" if pause else None)

    key = rig.apply()
    async with rig.running():
        await rig.reason(key, ConditionType.PAUSED, ConditionReason.NOT_PAUSED)
        ask(True)
        await paused(rig, True)
        await rig.reason(key, ConditionType.PAUSED, ConditionReason.PAUSED_BY_SPEC)
        await rig.seeder().enqueue("a")
        if not restarted:
            assert await rig.workers(key) == 0
            ask(False)
            await paused(rig, False)
            await rig.has_workers(key, 1)
    if restarted:
        ask(False)
        async with rig.running():
            await paused(rig, False)
            await rig.has_workers(key, 1)
    assert "Resumed" in [event.reason for event in rig.objects.events]


async def test_a_pause_by_command_stays(rig: Rig) -> None:
    key = rig.apply()
    async with rig.running():
        await rig.reason(key, ConditionType.PAUSED, ConditionReason.NOT_PAUSED)
        await rig.admin().control.pause()
        await rig.reason(key, ConditionType.PAUSED, ConditionReason.PAUSED_IN_REDIS)
        rig.apply(worker={"app": "other"})
        await rig.says(key, "the new version is known", lambda status: status.versions[0].app == "other")
        assert (await rig.admin().stats()).paused
        await rig.admin().control.resume()
        await rig.reason(key, ConditionType.PAUSED, ConditionReason.NOT_PAUSED)
