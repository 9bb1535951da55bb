"""The loop's heart, one WorkerQueue at a time: claim → observe → judge → decide → plan → carry out → report."""

from __future__ import annotations

import asyncio

from headrace.errors import QueueUnavailableError
from headrace_operator.core.breaker import held
from headrace_operator.core.decide import decide
from headrace_operator.core.history import History
from headrace_operator.core.observation import Observation
from headrace_operator.core.rollout import plan_rollout
from headrace_operator.core.summary import summarise, summarise_refused
from headrace_operator.reconcile.breaker import tend_breaker
from headrace_operator.reconcile.carry_out import carry_out
from headrace_operator.reconcile.claim import claim, follow, release
from headrace_operator.reconcile.observe import observe
from headrace_operator.reconcile.pace import Pace, pace
from headrace_operator.reconcile.record import Record
from headrace_operator.reconcile.replays import tend_replay
from headrace_operator.reconcile.report import report
from headrace_operator.reconcile.trial import as_judged, judge_rollout, tend_trial
from headrace_operator.reconcile.trouble import explain
from headrace_operator.reconcile.world import World


async def reconcile(record: Record, world: World, group: asyncio.TaskGroup) -> Pace:
    """Look at everything, do what is safe now; says when to look again. Raises HeadraceErrors."""
    if record.deleted:
        return await retire(record, world)
    if record.queue is None:
        return await refuse(record, world)
    unreachable = await follow(record, world)
    try:
        owned_by = await claim(record, world)
    except QueueUnavailableError as error:
        # Somebody else may have it by now, and whoever can't write there has no numbers to rely on.
        owned_by, unreachable = None, explain(error)
    seen = await observe(record, world, unreachable, owned_by)
    now = world.now()
    rollout = judge_rollout(seen, record, world, now)
    seen = as_judged(seen, rollout)
    history = (record.history or _resumed(record, seen, now)).until(now)
    breaker = tend_breaker(seen, rollout, record, now)
    decision = decide(record.spec, seen, history, now, held(breaker))
    plan = plan_rollout(
        seen.versions,
        seen.target,
        decision.desired,
        max_surge=record.spec.rollout.max_surge,
        max_replicas=record.spec.scaling.max_replicas,
        trial=await tend_trial(rollout, seen, record, world),
    )
    plan = await carry_out(plan, seen, record, world)
    record.history = history.after(decision, now)
    replay = await tend_replay(record, world, group)
    status = summarise(
        record.queue,
        record.status,
        seen=seen,
        decision=decision,
        plan=plan,
        rollout=rollout,
        breaker=breaker,
        replay=replay,
        now=now,
    )
    if record.refused is not None:
        status = summarise_refused(status, record.refused.problem, record.refused.generation, now)
    await report(status, record, world)
    return pace(plan, decision, seen, replay, now, world.settings)


async def refuse(record: Record, world: World) -> Pace:
    """A spec that can't be understood, and no earlier one: say so, touch nothing."""
    assert record.refused is not None
    refused = record.refused
    await report(summarise_refused(record.status, refused.problem, refused.generation, world.now()), record, world)
    return Pace(world.settings.rest)


async def retire(record: Record, world: World) -> Pace:
    """Drain the workers of a WorkerQueue that is no more, then give up its queues. Its jobs stay."""
    if record.replay is not None:
        record.replay.stop("the WorkerQueue was deleted")
    await world.runtime.remove_all(record.key)
    if await world.runtime.workers(record.key):
        return Pace(world.settings.moving)
    await release(record, world)
    return Pace(world.settings.rest, gone=True)


def _resumed(record: Record, seen: Observation, now: float) -> History:
    last = record.status.last_decision if record.status else None
    return History.resume(now, decided=last.desired if last else None, running=seen.serving)
