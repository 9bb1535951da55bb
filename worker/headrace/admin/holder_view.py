"""Who holds a leased job, and what its run says of itself: read for the views of such jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from headrace.admin.handle import QueueHandle
from headrace.admin.job_view import JobView
from headrace.contract.progress import Progress, decode_kept
from headrace.contract.replies import decode_worker_name


async def with_holders(handle: QueueHandle, views: Sequence[JobView]) -> list[JobView]:
    """The same views, those of leased jobs with the name of their worker and the progress of their run."""
    ids: dict[str, list[str]] = {}
    for view in views:
        if view.holder_sid:
            ids.setdefault(view.holder_sid, []).append(view.id)
    if not ids:
        return list(views)
    presences, *per_session = await handle.pipeline(
        [
            ("HMGET", "workers", *ids),
            *(("HMGET", f"own:{sid}", *held) for sid, held in ids.items()),
            *(("GET", f"progress:{sid}") for sid in ids),
        ]
    )
    names = {sid: decode_worker_name(packed) for sid, packed in zip(ids, presences, strict=True) if packed}
    progress = {
        job_id: said
        for held, claims, kept in zip(ids.values(), per_session[: len(ids)], per_session[len(ids) :], strict=True)
        for job_id, said in _said(held, claims, kept).items()
    }
    return [
        replace(view, holder=names.get(view.holder_sid), progress=progress.get(view.id)) if view.holder_sid else view
        for view in views
    ]


def _said(ids: Sequence[str], claims: Sequence[bytes | None], kept: bytes | None) -> dict[str, Progress]:
    said = decode_kept(kept)
    found = {i: said.get((i, claim.decode())) for i, claim in zip(ids, claims, strict=True) if claim} if said else {}
    return {job_id: progress for job_id, progress in found.items() if progress is not None}
