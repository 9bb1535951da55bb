"""Reads what holds jobs to their limits: the mark of each, and how its limit key stands. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from headrace.admin.handle import QueueHandle
from headrace.admin.job_view import JobView, KeyView
from headrace.contract.protocol import State

_decode = msgspec.msgpack.Decoder(tuple[str, str, str, str]).decode


async def with_limits(handle: QueueHandle, views: list[JobView]) -> list[JobView]:
    """The views with their limit and unique keys."""
    if not views or not await handle.request("EXISTS", "marks"):
        return views
    packed = await handle.request("HMGET", "marks", *[view.id for view in views])
    marks = {view.id: _decode(mark) for view, mark in zip(views, packed, strict=True) if mark}
    keys = await _keys(handle, sorted({mark[0] for mark in marks.values() if mark[0]}))
    ranks = await _ranks(handle, {view.id: marks[view.id][0] for view in views if view.state is State.PARKED})
    return [_with_mark(view, marks.get(view.id), keys, ranks.get(view.id)) for view in views]


async def _keys(handle: QueueHandle, names: list[str]) -> dict[str, KeyView]:
    if not names:
        return {}
    looks = [(("SCARD", f"kc:{name}"), ("ZCARD", f"kw:{name}"), ("ZSCORE", "kdue", name)) for name in names]
    replies = iter(await handle.pipeline([look for of_one in looks for look in of_one]))
    return {name: _key(name, next(replies), next(replies), next(replies)) for name in names}


def _key(name: str, running: int, waiting: int, due: bytes | None) -> KeyView:
    return KeyView(name, running, waiting, due_ms=None if due is None else int(float(due)))


async def _ranks(handle: QueueHandle, parked: Mapping[str, str]) -> dict[str, int | None]:
    if not parked:
        return {}
    replies = await handle.pipeline([("ZRANK", f"kw:{key}", job_id) for job_id, key in parked.items()])
    return dict(zip(parked, replies, strict=True))


def _with_mark(
    view: JobView, mark: tuple[str, str, str, str] | None, keys: Mapping[str, KeyView], rank: int | None
) -> JobView:
    if mark is None:
        return view
    key, _, unique, _ = mark
    limit = replace(keys[key], ahead=rank) if key else None
    return replace(view, limit=limit, unique=unique or None)
