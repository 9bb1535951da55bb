"""A version that the place where workers run won't have: it is said, and everything else goes on."""

from __future__ import annotations

import pytest

from headrace_operator.core.conditions import ConditionReason, ConditionType
from support.fleet_rig import GATED, Rig, until

WHY = 'unknown field "spec.template.spec.nodeSelectr"'


@pytest.fixture
def rig(redis_url: str) -> Rig:
    return Rig(redis_url, GATED)


async def test_it_is_said_and_the_old_version_is_tended_as_ever(rig: Rig) -> None:
    key = rig.apply(worker={"app": "one"}, replicas=2)
    async with rig.running():
        await rig.has_workers(key, 2)
        rig.runtime.refusal = WHY
        rig.apply(worker={"app": "two"}, replicas=2)
        await rig.reason(key, ConditionType.PROGRESSING, ConditionReason.VERSION_FAILING)
        found = rig.condition(key, ConditionType.PROGRESSING)
        assert found is not None
        assert found.message.endswith(f"can't be made, nothing else changes: {WHY}")
        rig.apply(worker={"app": "two"}, replicas=4, paused=True)
        await rig.has_workers(key, 4)

        async def paused() -> bool:
            return (await rig.admin().stats()).paused

        await until("its queue is paused", paused)
        rig.runtime.refusal = None
        rig.apply(worker={"app": "three"}, replicas=4)
        await rig.reason(key, ConditionType.PROGRESSING, ConditionReason.CANARY)
        await rig.has_workers(key, 5)


async def test_it_is_not_asked_for_again_and_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.runtime.refusal = WHY
    ensure, asked = rig.runtime.ensure, 0

    async def counted(*args: object) -> None:
        nonlocal asked
        asked += 1
        await ensure(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(rig.runtime, "ensure", counted)
    key = rig.apply(replicas=2)
    async with rig.running():
        await rig.reason(key, ConditionType.PROGRESSING, ConditionReason.VERSION_FAILING)
        looks = 0

        async def looked_often() -> bool:
            nonlocal looks
            looks += 1
            rig.controller.wake(key)
            return looks > 50

        await until("it has looked often", looked_often)
        assert asked == 1
