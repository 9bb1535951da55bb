"""Handlers whose results are kept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel

from headrace import Bury, Fleet
from support.apps.journal import note, recorded

fleet = Fleet(max_payload=100_000)
jobs = fleet.queue("jobs")


@dataclass
class Sum:
    """What `add` returns."""

    total: int
    at: datetime


@jobs.task(result_ttl=60)
async def add(a: int, b: int, seconds: float = 0) -> Sum:
    with recorded():
        await asyncio.sleep(seconds)
        return Sum(a + b, datetime(2026, 1, 2, tzinfo=UTC))


@jobs.task(result_ttl=60, process=True)
def add_apart(a: int, b: int) -> int:
    return a + b


@jobs.task(result_ttl=60, max_retries=0)
async def fail(why: str) -> None:
    raise Bury(why)


@jobs.task(result_ttl=60, result_keep=3)
async def count(number: int) -> int:
    return number


@jobs.task(result_ttl=0.05)
async def fleeting() -> int:
    return 1


@jobs.task(result_ttl=60)
async def huge(size: int) -> str:
    return "x" * size


@jobs.task(result_ttl=60)
async def strange() -> object:
    return object()


@jobs.task(result_ttl=60)
async def killer() -> None:
    note("started")
    await asyncio.sleep(600)


@jobs.task()
async def forgetful() -> int:
    return 1


class Answer(BaseModel):
    """What a model's dump is read into again."""

    number: int


@jobs.task(result_ttl=60, process=True)
def model_apart() -> Answer:
    return Answer(number=7)


@jobs.task(result_ttl=60, process=True)
def strange_apart() -> object:
    return object()


@jobs.task(process=True)
def strange_unkept() -> object:
    return object()
