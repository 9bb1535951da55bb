"""Handlers of each kind that say how far they are, then wait until the test lets them go."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from headrace import Fleet, current_context, current_contexts

fleet = Fleet()
jobs = fleet.queue("jobs")


def _released() -> bool:
    return Path(os.environ["TEST_NOTES"]).exists()


@jobs.task()
async def in_loop(words: int) -> None:
    for done in range(words):
        current_context().progress((done + 1) / (2 * words), f"word {done + 1}")
    while not _released():
        await asyncio.sleep(0.01)


@jobs.task()
def in_thread(words: int) -> None:
    for done in range(words):
        current_context().progress((done + 1) / (2 * words), f"word {done + 1}")
    while not _released():
        time.sleep(0.01)


@jobs.task(process=True)
def in_process(words: int) -> None:
    in_thread(words)


@jobs.task(batch=10, batch_wait=0.01)
async def in_batch(words: list[int]) -> None:
    for context, count in zip(current_contexts(), words, strict=True):
        context.progress(0.5, f"word {count}")
    while not _released():
        await asyncio.sleep(0.01)


@jobs.task(max_retries=0)
async def nonsense(fraction: float) -> None:
    current_context().progress(fraction)
