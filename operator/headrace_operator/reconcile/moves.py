"""Moves workers between versions. One that the runtime won't have keeps nobody from tending the others."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import assert_never

from headrace_operator.core.rollout import Create, Phase, Plan, Remove, Scale
from headrace_operator.reconcile.record import Record, Refusal
from headrace_operator.reconcile.world import World
from headrace_operator.seams.errors import VersionRefusedError
from headrace_operator.seams.runtime import VersionSpec

log = logging.getLogger(__name__)


async def move(plan: Plan, record: Record, world: World) -> Plan:
    """Carry out the plan's steps; the plan as far as it was. Raises HeadraceErrors."""
    refusal: Refusal | None = None
    for step in plan.steps:
        match step:
            case Create(version):
                refusal = await _make(version, record, world)
            case Scale(version) if refusal is not None and version == refusal.version:
                pass
            case Scale(version, replicas):
                await world.runtime.scale(record.key, version, replicas)
            case Remove(version):
                await world.runtime.remove(record.key, version)
            case _:
                assert_never(step)
    record.refusal = refusal
    return plan if refusal is None else _without(plan, refusal)


async def _make(version: str, record: Record, world: World) -> Refusal | None:
    """Create the version; why it can't be, which is asked for again only after a while."""
    last, now = record.refusal, world.now()
    if last is not None and last.version == version and now - last.time < world.settings.retry_cap:
        return last
    try:
        await world.runtime.ensure(record.key, VersionSpec(version, record.spec))
    except VersionRefusedError as error:
        log.warning("%s: version %s can't be made: %s", record.key, version, error)
        return Refusal(version, str(error), now)
    return None


def _without(plan: Plan, refusal: Refusal) -> Plan:
    """What is left of the plan for the others."""
    steps = tuple(step for step in plan.steps if step.version != refusal.version)
    message = f"{refusal.version} can't be made, nothing else changes: {refusal.message}"
    return replace(plan, steps=steps, phase=Phase.FAILING, message=message)
