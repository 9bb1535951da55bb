"""The life of a replay annotation: read, accepted once, carried out by a ReplayRun, reported, removed at the end."""

from __future__ import annotations

import asyncio
import secrets
from time import gmtime, strftime

from headrace.errors import ConfigError
from headrace_operator.api.status import ReplayStatus
from headrace_operator.core.replay_request import ReplayPhase, parse_replay_request
from headrace_operator.reconcile.record import Record
from headrace_operator.reconcile.replay_run import FINAL, ReplayRun, begin
from headrace_operator.reconcile.world import World
from headrace_operator.seams.objects import Pending, pending_replay


async def tend_replay(record: Record, world: World, group: asyncio.TaskGroup) -> ReplayStatus | None:
    """One step of the replay that the annotation asks for; its status, None if there has never been one.

    A request starts only when its id is kept beside the annotation. Raises ObjectsUnavailableError, ObjectGoneError.
    """
    assert record.queue is not None
    pending = pending_replay(record.queue)
    last = record.status.replay if record.status else None
    _stop_withdrawn(record, pending)
    if record.replay is not None:
        status = record.replay.status
        if status.phase not in FINAL:
            return status
        if last is None or (last.request_id, last.phase) != (status.request_id, status.phase):
            return status  # told before the annotation goes, so that a restart between the two finds it done
        record.replay = None
    if pending is None:
        return last
    if pending.accepted is None:
        return await _accept(pending, last, record, world)
    if last is not None and last.request_id == pending.accepted and last.phase in FINAL:
        await world.objects.finish(record.key, pending.accepted)
        return last
    return _start(pending, pending.accepted, last, record, world, group)


def _stop_withdrawn(record: Record, pending: Pending | None) -> None:
    """A person who removes or replaces the annotation calls the replay off."""
    run = record.replay
    if run is None or run.status.phase in FINAL:
        return
    if pending is None or pending.accepted != run.status.request_id:
        run.stop("called off")


async def _accept(pending: Pending, last: ReplayStatus | None, record: Record, world: World) -> ReplayStatus | None:
    """Note an id. A value that makes no sense is refused under an id of its own and so removed."""
    now = world.now()
    try:
        request = parse_replay_request(pending.value)
    except ConfigError as error:
        request_id = _new_id(now)
        accepted = await world.objects.accept(record.key, pending.value, request_id)
        refused = begin(request_id, pending.value, ReplayPhase.REFUSED, now, str(error))
        return refused if accepted else last
    request_id = request.request or _new_id(now)
    accepted = await world.objects.accept(record.key, pending.value, request_id)
    if not accepted or (last is not None and last.request_id == request_id):
        return last
    return begin(request_id, str(request), ReplayPhase.ACCEPTED, now)


def _start(
    pending: Pending,
    request_id: str,
    last: ReplayStatus | None,
    record: Record,
    world: World,
    group: asyncio.TaskGroup,
) -> ReplayStatus | None:
    """Run it, for the first time or again after a restart of the operator."""
    same = last is not None and last.request_id == request_id
    status = last if last and same else begin(request_id, pending.value, ReplayPhase.ACCEPTED, world.now())
    try:
        request = parse_replay_request(pending.value)
    except ConfigError as error:
        return begin(request_id, pending.value, ReplayPhase.REFUSED, world.now(), str(error))
    if record.watch is None:
        return status  # its Redis is not known yet
    queues = [record.watch.admin(name) for name in record.followed]
    record.replay = ReplayRun(request, queues, status, record.wake.set, world.now)
    record.replay.task = group.create_task(record.replay.run())
    return status


def _new_id(now: float) -> str:
    return f"{strftime('%Y%m%dt%H%M%S', gmtime(now))}-{secrets.token_hex(3)}"
