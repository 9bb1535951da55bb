"""Gathers what running handlers say of themselves, for the renewal of their session's lease to carry."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic

from headrace.context import Context
from headrace.contract.progress import MOST_JOBS, Told, encode_told
from headrace.worker.run import Run


def told_by(runs: Mapping[str, Run], sid: str) -> bytes:
    """Of those that run under this session; b"" when none has said anything. Called by the renewal thread."""
    now = monotonic()
    told = []
    for run in tuple(runs.values()):  # a copy in one step: the loop starts and ends runs meanwhile
        context: Context | None = getattr(run, "context", None)
        if context is not None and context.sid == sid and (said := context.said) is not None:
            told.append(Told(run.id, run.claim, said.fraction, said.message, max(0, round((now - said.at) * 1000))))
    if len(told) > MOST_JOBS:
        told = sorted(told, key=lambda one: one.age_ms)[:MOST_JOBS]
    return encode_told(told) if told else b""
