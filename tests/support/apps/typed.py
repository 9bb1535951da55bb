"""Handlers with annotations of many kinds, and a queue whose jobs travel as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from headrace import Fleet
from support.apps.journal import note, recorded

fleet = Fleet()
jobs = fleet.queue("jobs")


class Order(BaseModel):
    number: int
    lines: list[str] = []


class Opaque:
    """Nothing that a schema could describe."""


@jobs.task(max_retries=3)
async def order(order: Order, at: datetime, count: Annotated[int, Field(ge=1)] = 1) -> None:
    with recorded():
        note("order", number=order.number, year=at.year, kind=type(order).__name__, count=count)


@jobs.task(codec="json")
async def by_json(order: Order, data: dict[str, Any]) -> None:
    with recorded():
        note("by_json", number=order.number, data=data)


@jobs.task(codec="json")
async def bytes_by_json(data: Any) -> None:
    with recorded():
        note("bytes")


@jobs.task(concurrency_limit=1)
async def limited(thing: Opaque) -> None: ...


@jobs.task()
async def opaque(thing: Opaque) -> None:
    with recorded():
        note("opaque")


@jobs.task()
async def unannotated(anything, *more, **named) -> None:  # type: ignore[no-untyped-def]
    with recorded():
        note("unannotated", anything=anything, more=repr(more), named=named)
