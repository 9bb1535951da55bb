"""Handlers that get many payloads at once."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from headrace import Bury, Context, Fleet, current_contexts
from headrace.client.task import Next
from support.apps.journal import _ledger, note

fleet = Fleet()
jobs = fleet.queue("jobs")


@dataclass
class Word:
    """A payload."""

    text: str
    weight: int = 1


def _begin(event: str) -> None:
    contexts = current_contexts()
    note(event, jobs=[context.job_id for context in contexts])
    for context in contexts:
        _ledger().write("start", context.job_id, context.attempt)


def _end() -> None:
    for context in current_contexts():
        _ledger().write("end", context.job_id, context.attempt)


@jobs.task(batch=10, batch_wait=0.5, result_ttl=60)
async def index(words: list[Word]) -> list[int]:
    _begin("indexed")
    _end()
    return [len(word.text) * word.weight for word in words]


@jobs.task(batch=10, batch_wait=0.2)
def in_thread(words: list[str]) -> None:
    _begin("threaded")
    time.sleep(0.01)
    _end()


@jobs.task(batch=10, batch_wait=0.5, result_ttl=60, max_retries=1, retry_base=0.01)
async def mixed(words: list[str]) -> list[str | Exception]:
    """Says of each word what it says."""
    contexts = current_contexts()
    note("mixed", jobs=[context.job_id for context in contexts])
    verdicts: list[str | Exception] = []
    for word, context in zip(words, contexts, strict=True):
        match word:
            case "bury":
                verdicts.append(Bury("unwanted"))
            case "once" if context.attempt == 1:
                verdicts.append(ValueError("not yet"))
            case "never":
                verdicts.append(ValueError("never"))
            case _:
                verdicts.append(word.upper())
    return verdicts


@jobs.task(batch=10, batch_wait=0.5, result_ttl=60, max_retries=1, retry_base=0.01)
async def wrong(words: list[str]) -> object:
    note("wrong", attempt=current_contexts()[0].attempt)
    if "raise" in words:
        raise LookupError("all of it")
    return ["too few"] if "count" in words else "nonsense"


@jobs.task(batch=5, batch_wait=0.3, timeout=0.5, max_retries=0, result_ttl=60)
async def hangs(words: list[str]) -> None:
    note("hangs", jobs=[context.job_id for context in current_contexts()])
    await asyncio.sleep(600)


@jobs.task(batch=5, batch_wait=0.3, timeout=120, result_ttl=60)
async def slow(seconds: list[float]) -> None:
    _begin("slow")
    try:
        await asyncio.sleep(max(seconds))
    except asyncio.CancelledError:
        note("stopped")
        raise
    _end()


async def counted(context: Context, call_next: Next) -> object:
    """Middleware is each job's own."""
    note("wrapped", job=context.job_id)
    return await call_next()


@jobs.task(batch=5, batch_wait=0.3, middleware=(counted,))
async def wrapped(words: list[str]) -> None:
    note("inside", count=len(words))
