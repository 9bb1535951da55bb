"""Reads what jobs of workflows wait for. Changes nothing."""

from __future__ import annotations

from dataclasses import replace

from headrace.admin.handle import QueueHandle
from headrace.admin.job_view import JobView
from headrace.contract.protocol import State

NAMED = 5
"""So many of the jobs that one waits for are named."""


async def with_workflows(handle: QueueHandle, views: list[JobView]) -> list[JobView]:
    """The views; those that wait for other jobs with what they wait for."""
    waiting = [view.id for view in views if view.state is State.AWAITING]
    if not waiting:
        return views
    gates = dict(zip(waiting, await handle.request("HMGET", "awaiting", *waiting), strict=True))
    return [await _with_gate(handle, view, gates.get(view.id)) for view in views]


async def _with_gate(handle: QueueHandle, view: JobView, waits: bytes | None) -> JobView:
    if waits is None:
        return view
    left, ids = await _expected(handle, waits.split(b" ")[0].decode())
    named = tuple(ids[:NAMED])
    deaths = await handle.request("ZMSCORE", "dead", *named) if named else ()
    dead = tuple(job_id for job_id, died in zip(named, deaths, strict=True) if died is not None)
    return replace(view, waits_for=left, waits_for_ids=named, waits_for_dead=dead)


async def _expected(handle: QueueHandle, gate: str) -> tuple[int, list[str]]:
    """How many results a gate still waits for, and the jobs that are to bring them, those of inner lists among them."""
    found = await handle.request("HGETALL", f"gate:{gate}")
    fields = {found[i].decode(): found[i + 1] for i in range(0, len(found), 2)}
    ids: list[str] = []
    for name in sorted((name for name in fields if name[0] == "w"), key=lambda name: int(name[1:]))[:NAMED]:
        who = fields[name].decode()
        ids += [who[1:]] if who[0] == "j" else (await _expected(handle, who[1:]))[1]
    return int(fields.get("left", 0)), ids
