"""The life of a replay annotation: read, accepted once, carried out by a ReplayRun, reported, removed at the end."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from time import gmtime, strftime

from headrace.admin.queue_admin import QueueAdmin
from headrace.errors import ConfigError
from headrace_operator.api.names import REPLAY_ID_ANNOTATION
from headrace_operator.api.status import ReplayStatus
from headrace_operator.core.replay_request import ReplayPhase, ReplayRequest, is_cancel, parse_replay_request
from headrace_operator.reconcile.record import Record
from headrace_operator.reconcile.replay_run import FINAL, ReplayRun, begin, told
from headrace_operator.reconcile.world import World
from headrace_operator.seams.objects import Pending, pending_replay


async def tend_replay(record: Record, world: World, group: asyncio.TaskGroup) -> ReplayStatus | None:
    """One step of the replay that the annotation asks for; its status, None if there has never been one.

    A request starts only when its id is kept beside the annotation. Raises ObjectsUnavailableError, ObjectGoneError.
    """
    assert record.queue is not None
    pending = pending_replay(record.queue)
    last = record.status.replay if record.status else None
    _heed_withdrawal(record, pending, last, world, group)
    if record.replay is not None:
        status = record.replay.status
        if status.phase not in FINAL:
            return status
        if last is None or (last.request_id, last.phase) != (status.request_id, status.phase):
            return status  # told before the annotation goes, so that a restart between the two finds it done
        record.replay = None
    if pending is None:
        if left_behind := record.queue.metadata.annotations.get(REPLAY_ID_ANNOTATION):
            await world.objects.finish(record.key, left_behind, None)  # or the next request would pass for that one
        return last
    if pending.accepted is None:
        return await _accept(pending, last, record, world)
    if last is not None and last.request_id == pending.accepted and last.phase in FINAL:
        done = is_cancel(pending.value) or _asks_for(pending, last)
        await world.objects.finish(record.key, pending.accepted, pending.value if done else None)
        return last
    return _start(pending, pending.accepted, last, record, world, group)


def _heed_withdrawal(
    record: Record,
    pending: Pending | None,
    last: ReplayStatus | None,
    world: World,
    group: asyncio.TaskGroup,
) -> None:
    """A person who removes or replaces the annotation, or writes `cancel` there, calls the replay off."""
    run = record.replay
    if run is None:
        if last is None or last.phase in FINAL or record.watch is None or _asks_for(pending, last):
            return
        # it was under way when the operator ended, and was called off since
        run = record.replay = ReplayRun(None, _queues(record), last, record.wake.set, world.now)
    if run.ending is None and run.status.phase not in FINAL and not _asks_for(pending, run.status):
        run.ending = group.create_task(run.call_off())


def _asks_for(pending: Pending | None, status: ReplayStatus) -> bool:
    """Whether the annotation asks for the replay of that status, and not for another one, or none.

    The id beside it may be missing: not seen yet, or taken away with a manifest that replaces the whole object.
    """
    if pending is None or is_cancel(pending.value) or pending.accepted not in (None, status.request_id):
        return False
    if status.phase == ReplayPhase.REFUSED:  # under an id of its own, whatever it calls itself
        return told(pending.value) == status.request
    try:
        request = parse_replay_request(pending.value)
    except ConfigError:
        return told(pending.value) == status.request
    return status.request_id == request.request if request.request else told(str(request)) == status.request


def _queues(record: Record, only: str | None = None) -> list[QueueAdmin]:
    assert record.watch is not None
    return [record.watch.admin(name) for name in record.followed if only in (None, name)]


def _read(value: str, record: Record) -> ReplayRequest:
    """Raises ConfigError for what makes no sense, or not for this WorkerQueue."""
    request = parse_replay_request(value)
    names = [queue.name for queue in record.spec.queues]
    if request.queue is not None and request.queue not in names:
        raise ConfigError(f"there is no queue {request.queue!r} here, only {', '.join(names)}")
    return request


async def _accept(pending: Pending, last: ReplayStatus | None, record: Record, world: World) -> ReplayStatus | None:
    """Note an id. A value that makes no sense is refused under an id of its own and so removed."""
    now = world.now()
    if is_cancel(pending.value) and last is not None and last.phase == ReplayPhase.CANCELLED:
        await world.objects.accept(record.key, pending.value, last.request_id)  # it has done its work
        return last
    try:
        if is_cancel(pending.value):
            raise ConfigError("there is no replay under way that could be called off")
        request = _read(pending.value, record)
    except ConfigError as error:
        request_id = _new_id(now)
        accepted = await world.objects.accept(record.key, pending.value, request_id)
        refused = begin(request_id, pending.value, ReplayPhase.REFUSED, now, str(error))
        return refused if accepted else last
    request_id = request.request or _new_id(now)
    accepted = await world.objects.accept(record.key, pending.value, request_id)
    if not accepted or (last is not None and last.request_id == request_id):
        return last
    return begin(request_id, str(request), ReplayPhase.ACCEPTED, now, by=request.by)


def _start(
    pending: Pending,
    request_id: str,
    last: ReplayStatus | None,
    record: Record,
    world: World,
    group: asyncio.TaskGroup,
) -> ReplayStatus | None:
    """Run it, for the first time or again after a restart of the operator."""
    try:
        request = _read(pending.value, record)
    except ConfigError as error:
        return begin(request_id, pending.value, ReplayPhase.REFUSED, world.now(), str(error))
    same = last is not None and last.request_id == request_id
    accepted = begin(request_id, str(request), ReplayPhase.ACCEPTED, world.now(), by=request.by)
    status = last if last and same else accepted
    if record.watch is None or not (queues := _queues(record, request.queue)):
        return status  # its Redis is not known yet, or that one queue not watched yet
    assert record.queue is not None
    policy = record.queue.spec.dead_letters
    if request.max_replays is None and policy is not None:
        request = replace(request, max_replays=policy.max_replays)
    record.replay = ReplayRun(request, queues, status, record.wake.set, world.now)
    record.replay.task = group.create_task(record.replay.run())
    return status


def _new_id(now: float) -> str:
    return f"{strftime('%Y%m%dt%H%M%S', gmtime(now))}-{secrets.token_hex(3)}"
