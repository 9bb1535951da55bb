"""Does what was decided: moves workers between versions, pauses queues, takes jobs back from workers that are gone."""

from __future__ import annotations

from headrace.contract.stats import QueueStats
from headrace_operator.core.lowering import apart, waiting
from headrace_operator.core.observation import Observation
from headrace_operator.core.rollout import Plan
from headrace_operator.reconcile.moves import move
from headrace_operator.reconcile.observe import known
from headrace_operator.reconcile.protect import protect
from headrace_operator.reconcile.record import Record
from headrace_operator.reconcile.scale_in import tend_scale_in
from headrace_operator.reconcile.world import World


async def carry_out(plan: Plan, seen: Observation, record: Record, world: World) -> Plan:
    """The plan as far as it was done at once: a scale-in takes its time.

    Raises HeadraceErrors; then something was not done, and the next reconcile sees what.
    """
    plan, lowering = apart(plan, seen.versions, seen.canary)
    plan = await move(plan, record, world)
    plan = waiting(plan, await tend_scale_in(lowering, seen, record, world))
    await _tend_queues(plan, seen, record, world)
    await protect(seen, record, world)
    return plan


async def _tend_queues(plan: Plan, seen: Observation, record: Record, world: World) -> None:
    if seen.owned_by is not None or record.watch is None:
        return
    await _pause(record)
    await _reap(seen, record, world)
    fleet = sum(version.desired + version.terminating for version in seen.versions)
    for name in record.followed:
        record.watch.let_rest(name, fleet == 0 and not plan.steps)


async def _pause(record: Record) -> None:
    """A pause by command stays until a command ends it; ours ends with the spec that asked for it."""
    assert record.watch is not None
    record.paused_by_spec |= record.spec.paused
    if not record.paused_by_spec:
        return
    found = known(record)
    for name, stats in found.items():
        if record.spec.paused and not stats.paused:
            await record.watch.admin(name).control.pause()
        elif not record.spec.paused:
            # Whatever was read: the pause may be younger than the reading.
            await record.watch.admin(name).control.resume()
    if len(found) == len(record.followed):
        record.paused_by_spec = record.spec.paused


async def _reap(seen: Observation, record: Record, world: World) -> None:
    """Give the jobs of vanished workers to others at once, without waiting for their leases to end."""
    assert record.watch is not None
    exist = {worker.id for worker in seen.workers}
    record.workers_seen |= exist
    if world.settings.exact_runtime:
        record.workers_seen |= {worker.worker for stats in known(record).values() for worker in stats.workers}
    for name, stats in known(record).items():
        for sid in gone_sessions(stats, record.workers_seen, exist):
            await record.watch.admin(name).control.reap_session(sid)
    present = {worker.worker for stats in known(record).values() for worker in stats.workers}
    record.workers_seen &= exist | present


def gone_sessions(stats: QueueStats, seen: set[str], exist: set[str]) -> list[str]:
    """Sessions whose process is known to be gone.

    Only a worker that the runtime has shown before and shows no longer is: a runtime's view may lag behind a worker
    that has just begun. A session of the same worker from an earlier start is gone too, since its container was
    started anew.
    """
    latest: dict[str, int] = {}
    for worker in stats.workers:
        latest[worker.worker] = max(worker.started_ms, latest.get(worker.worker, 0))
    return [
        worker.sid
        for worker in stats.workers
        if worker.version
        and ((worker.worker in seen and worker.worker not in exist) or worker.started_ms < latest[worker.worker])
    ]
