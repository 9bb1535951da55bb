"""Finds jobs, lists them by state, cancels them, reads their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from headrace.admin.handle import QueueHandle
from headrace.admin.holder_view import with_holders
from headrace.admin.job_view import Death, JobView, decode_view, is_dead
from headrace.admin.limit_view import with_limits
from headrace.admin.workflow_view import with_workflows
from headrace.contract.envelope import decode_dead_entry
from headrace.contract.protocol import CANCELLED_MARK, CHUNK, Priority, State
from headrace.contract.trail import MOST_TRANSITIONS, decode_trail
from headrace.errors import JobNotFoundError, UsageError


class CancelOutcome(StrEnum):
    """What became of a wish to cancel."""

    CANCELLED = "cancelled"
    CANCELLING = "cancelling"
    """It runs: its worker stops it."""
    DEAD = "dead"
    """Nothing to cancel: it is a dead letter."""
    UNKNOWN = "unknown"
    """No such job waits or runs: done, cancelled before, or never enqueued."""


@dataclass(frozen=True)
class JobPage:
    """Some jobs of one state; pass `cursor` to get more. None: there are no more."""

    jobs: tuple[JobView, ...]
    cursor: str | None


class Jobs:
    """The jobs of one queue."""

    def __init__(self, handle: QueueHandle) -> None:
        self._handle = handle

    async def locate(self, job_id: str, *, with_payload: bool = False) -> JobView:
        """Where the job stands, what is known of it and what has befallen it. Raises JobNotFoundError."""
        views = await self.views([job_id], with_payload=with_payload)
        if views:
            trail = await self._handle.request("HGET", "trail", job_id)
            return replace(views[0], transitions=(*decode_trail(trail), *views[0].transitions)[-MOST_TRANSITIONS:])
        kept, taken = await self._handle.pipeline([("GET", f"r:{job_id}"), ("EXISTS", f"i:{job_id}")])
        if kept is not None:
            called_off = kept.startswith(CANCELLED_MARK)
            return JobView(id=job_id, queue=self._handle.queue, state=State.DONE, called_off=called_off)
        why = "done or cancelled: its id is still taken" if taken else "done, cancelled, or never enqueued"
        raise JobNotFoundError(f"no job {job_id!r} waits, runs or is dead in queue {self._handle.queue!r}: {why}")

    async def views(self, ids: Sequence[str], *, with_payload: bool = False) -> list[JobView]:
        """Views of those of at most 1000 ids that exist, in the order given."""
        if not ids:
            return []
        located, values, priorities = await self._handle.run_then(
            "locate", ids, [("HMGET", "jobs", *ids), ("HMGET", "prio", *ids)]
        )
        deaths = await self._deaths([job_id for job_id, place in zip(ids, located, strict=True) if is_dead(place)])
        found = zip(ids, located, values, priorities, strict=True)
        views = [
            decode_view(self._handle.queue, *of_one, death=deaths.get(of_one[0]), with_payload=with_payload)
            for of_one in found
        ]
        known = await with_holders(self._handle, [view for view in views if view is not None])
        return await with_workflows(self._handle, await with_limits(self._handle, known))

    async def _deaths(self, dead: Sequence[str]) -> dict[str, Death]:
        if not dead:
            return {}
        entries = await self._handle.request("HMGET", "dj", *dead)
        return {job_id: decode_dead_entry(entry) for job_id, entry in zip(dead, entries, strict=True) if entry}

    async def cancel(self, job_id: str) -> CancelOutcome:
        """Cancel a job that waits, or ask its worker to stop it."""
        reply: bytes = await self._handle.run("cancel", job_id)
        return CancelOutcome(reply.decode())

    async def result(self, job_id: str) -> bytes | None:
        """The kept result as the worker encoded it; None when there is none (any more)."""
        reply: bytes | None = await self._handle.request("GET", f"r:{job_id}")
        return None if reply is None or reply.startswith(CANCELLED_MARK) else reply

    async def page(self, state: State, *, cursor: str | None = None, limit: int = 100) -> JobPage:
        """About `limit` (1 to 1000) jobs in that state.

        A queue that moves meanwhile may show a job twice or pass one over. Raises UsageError.
        """
        if not 1 <= limit <= CHUNK:
            raise UsageError(f"limit {limit}: use 1 to {CHUNK}")
        containers = await self._containers(state)
        name, position = _parse_cursor(cursor)
        for container in containers:
            if name is not None and container < name:
                continue
            ids, following = await self._read(container, position if container == name else 0, limit)
            if ids or following:
                rest = following or (0 if container != containers[-1] else None)
                here = container if following else _next(containers, container)
                return JobPage(tuple(await self.views(ids)), None if rest is None else f"{here}@{rest}")
        return JobPage((), None)

    async def _containers(self, state: State) -> list[str]:
        match state:
            case State.SCHEDULED:
                return ["sched"]
            case State.READY:
                return sorted([*(f"ready:{priority}" for priority in Priority), "suspects"])
            case State.LEASED:
                live, reaping = await self._handle.pipeline([("ZRANGE", "sess", 0, -1), ("ZRANGE", "reaping", 0, -1)])
                return sorted({f"own:{sid.decode()}" for sid in (*live, *reaping)})
            case State.PARKED:
                return ["parked"]
            case State.AWAITING:
                return ["awaiting"]
            case State.DEAD:
                return ["dead"]
            case State.DONE:
                raise UsageError("jobs that are done are not kept; results are, by id")
            case _:
                assert_never(state)

    async def _read(self, container: str, position: int, limit: int) -> tuple[list[str], int]:
        """Ids from `position` (a rank or scan cursor) and the position after them, 0 at the end."""
        if container in ("parked", "awaiting") or container.startswith("own:"):
            command = "SSCAN" if container == "parked" else "HSCAN"
            following, members = await self._handle.request(command, container, position, "COUNT", limit)
            ids = members if container == "parked" else members[::2]
            return _decoded(ids), int(following)
        ids = await self._handle.request("ZRANGE", container, position, position + limit - 1)
        return _decoded(ids), position + limit if len(ids) == limit else 0


def _decoded(ids: Sequence[bytes]) -> list[str]:
    return [job_id.decode() for job_id in ids]


def _next(containers: Sequence[str], container: str) -> str | None:
    following = containers.index(container) + 1
    return containers[following] if following < len(containers) else None


def _parse_cursor(cursor: str | None) -> tuple[str | None, int]:
    if cursor is None:
        return None, 0
    name, separator, position = cursor.rpartition("@")
    if not separator or not position.isdigit():
        raise UsageError(f"cursor {cursor!r} is not one that a listing gave")
    return name, int(position)
